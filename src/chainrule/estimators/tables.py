"""Features as numbers: columns of categories become one column per category."""

from typing import Any

import numpy as np

from chainrule.errors import DataError, OptionError, suggest

__all__ = ["categorical_columns", "encoder_for"]

#: The names of the types that dataframes give to columns of categories (pandas, polars).
CATEGORICAL = {"CategoricalDtype", "Categorical", "Enum"}


def categorical_columns(x: Any, wanted: Any) -> list[Any]:
    """The columns of ``x`` that hold categories, as ``categorical_features`` asks for them.

    Parameters
    ----------
    x
        A dataframe or a table.
    wanted
        ``"from_dtype"``: the columns of a dataframe whose type says so. Or a mask, numbers or names
        of columns; ``None``: none.

    Raises
    ------
    OptionError
        If there is no such column.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.tables import categorical_columns
    >>> categorical_columns(np.zeros((2, 3)), [True, False, True])
    [0, 2]
    """
    if wanted is None:
        return []
    if isinstance(wanted, str):
        dtypes = list(x.dtypes) if _is_frame(x) else []
        return [i for i, dtype in enumerate(dtypes) if type(dtype).__name__ in CATEGORICAL]
    columns = [c.item() if isinstance(c, np.generic) else c for c in np.ravel(wanted)]
    count = np.shape(x)[1] if len(np.shape(x)) == 2 else 0
    if columns and all(isinstance(column, bool) for column in columns):
        if len(columns) != count:
            raise OptionError("estimators.mask", wanted=count, got=len(columns))
        return [i for i, chosen in enumerate(columns) if chosen]
    return [_number_of(column, x, count) for column in columns]


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns") and hasattr(x, "dtypes")


def _number_of(column: Any, x: Any, count: int) -> int:
    """The place of a column that is given by number or name."""
    names = list(x.columns) if _is_frame(x) else []
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int) and 0 <= column < count:
        return column
    known = names or [f"0 … {count - 1}"]
    hint = suggest(str(column), map(str, names))
    raise OptionError("estimators.column", got=column, hint=hint, known=", ".join(map(str, known)))


def encoder_for(columns: list[int]) -> Any:
    """A transformer that encodes the columns one-hot and puts the others behind them.

    A category that was not seen in training has all zeros; a missing one is a category of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.tables import encoder_for
    >>> x = np.array([["a", 1.0], ["b", 2.0]], dtype=object)
    >>> np.asarray(encoder_for([0]).fit_transform(x), float).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [("categories", one_hot, columns)], remainder="passthrough"
    ).set_output(transform="default")


def encoded(encoder: Any, x: Any, fit: bool = False) -> Any:
    """The features as numbers.

    Raises
    ------
    DataError
        If a column that is not named as categorical holds something else than numbers.
    """
    made = encoder.fit_transform(x) if fit else encoder.transform(x)
    if made.dtype.kind == "O":
        try:
            made = made.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("estimators.text_column", reason=error) from None
    return made
