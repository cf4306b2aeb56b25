"""The expectations great_expectations 1.24 can run on a batch, and the arguments each takes.

Kept here so that a wrong name in `expectations.py` is refused without the seconds that importing the library
takes. A test holds this list to the library. Names ending in `*` are required.
"""

from __future__ import annotations

from typing import Final

_SOME = " row_condition condition_parser"
_COLUMN = "column*" + _SOME
_RANGE = _COLUMN + " min_value max_value strict_min strict_max"
_ROWS = _COLUMN + " mostly"
_PAIR = "column_A* column_B* mostly ignore_row_if" + _SOME
_MANY = "column_list* mostly ignore_row_if" + _SOME

_SIGNATURES = {
    "ExpectColumnDistinctValuesToBeInSet": f"{_COLUMN} value_set*",
    "ExpectColumnDistinctValuesToContainSet": f"{_COLUMN} value_set*",
    "ExpectColumnDistinctValuesToEqualSet": f"{_COLUMN} value_set*",
    "ExpectColumnMaxToBeBetween": _RANGE,
    "ExpectColumnMeanToBeBetween": _RANGE,
    "ExpectColumnMedianToBeBetween": _RANGE,
    "ExpectColumnMinToBeBetween": _RANGE,
    "ExpectColumnMostCommonValueToBeInSet": f"{_COLUMN} value_set* ties_okay",
    "ExpectColumnPairValuesAToBeGreaterThanB": f"{_PAIR} or_equal",
    "ExpectColumnPairValuesToBeEqual": _PAIR,
    "ExpectColumnPairValuesToBeInSet": f"{_PAIR} value_pairs_set*",
    "ExpectColumnProportionOfNonNullValuesToBeBetween": _RANGE,
    "ExpectColumnProportionOfUniqueValuesToBeBetween": _RANGE,
    "ExpectColumnQuantileValuesToBeBetween": f"{_COLUMN} quantile_ranges* allow_relative_error",
    "ExpectColumnStdevToBeBetween": _RANGE,
    "ExpectColumnSumToBeBetween": _RANGE,
    "ExpectColumnToExist": "column* column_index",
    "ExpectColumnUniqueValueCountToBeBetween": _RANGE,
    "ExpectColumnValueLengthsToBeBetween": f"{_ROWS} min_value max_value strict_min strict_max",
    "ExpectColumnValueLengthsToEqual": f"{_ROWS} value*",
    "ExpectColumnValueZScoresToBeLessThan": f"{_ROWS} threshold* double_sided*",
    "ExpectColumnValuesToBeBetween": f"{_ROWS} min_value max_value strict_min strict_max",
    "ExpectColumnValuesToBeInSet": f"{_ROWS} value_set*",
    "ExpectColumnValuesToBeInTypeList": f"{_ROWS} type_list",
    "ExpectColumnValuesToBeNull": _ROWS,
    "ExpectColumnValuesToBeOfType": f"{_ROWS} type_*",
    "ExpectColumnValuesToBeUnique": _ROWS,
    "ExpectColumnValuesToMatchRegex": f"{_ROWS} regex",
    "ExpectColumnValuesToMatchRegexList": f"{_ROWS} regex_list* match_on",
    "ExpectColumnValuesToMatchStrftimeFormat": f"{_ROWS} strftime_format*",
    "ExpectColumnValuesToNotBeInSet": f"{_ROWS} value_set*",
    "ExpectColumnValuesToNotBeNull": _ROWS,
    "ExpectColumnValuesToNotMatchRegex": f"{_ROWS} regex*",
    "ExpectColumnValuesToNotMatchRegexList": f"{_ROWS} regex_list*",
    "ExpectCompoundColumnsToBeUnique": _MANY,
    "ExpectMulticolumnSumToEqual": f"{_MANY} sum_total*",
    "ExpectMulticolumnValuesToBeEqual": _MANY,
    "ExpectSelectColumnValuesToBeUniqueWithinRecord": _MANY,
    "ExpectTableColumnCountToBeBetween": "min_value max_value",
    "ExpectTableColumnCountToEqual": "value*",
    "ExpectTableColumnsToMatchOrderedList": "column_list",
    "ExpectTableColumnsToMatchSet": "column_set exact_match",
    "ExpectTableRowCountToBeBetween": f"min_value max_value strict_min strict_max{_SOME}",
    "ExpectTableRowCountToEqual": f"value*{_SOME}",
}

REQUIRED: Final = {
    name: frozenset(word.rstrip("*") for word in words.split() if word.endswith("*")) for name, words in _SIGNATURES.items()
}
ARGUMENTS: Final = {name: frozenset(word.rstrip("*") for word in words.split()) for name, words in _SIGNATURES.items()}
