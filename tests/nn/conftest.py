"""What tests of layers share."""

import pytest

from chainrule.errors import ChainruleError


@pytest.fixture(params=["en", "ko"])
def explained(request, monkeypatch):
    """Checks what is said of a mistake: these words in English, and Korean in Korean."""
    language = request.param
    monkeypatch.setenv("CHAINRULE_LANG", language)

    def check(mistake, words):
        with pytest.raises(ChainruleError) as caught:
            mistake()
        if language == "en":
            assert caught.match(words)
        assert any("가" <= letter <= "힣" for letter in str(caught.value)) == (language == "ko")

    return check
