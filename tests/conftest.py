"""What holds for all tests."""

import hypothesis

# The same examples in every run, and no time limit on a busy machine.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")
