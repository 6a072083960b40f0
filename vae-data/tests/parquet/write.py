"""Writes the Parquet files of this folder, and what each holds as CSV beside it.

    pip install pyarrow==26.0.1
    python write.py

pyarrow is another implementation of the format (Arrow's, in C++) than the one that reads them.
The CSV files come from the Python values, not from the Parquet files.
"""

import csv
import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def write(name, columns, **options):
    table = pa.table([array for _, array in columns], names=[name for name, _ in columns])
    pq.write_table(table, HERE / f"{name}.parquet", **options)
    return table


def write_with_csv(name, columns, **options):
    table = write(name, columns, **options)
    with open(HERE / f"{name}.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns)):
            cells = (int(cell) if isinstance(cell, bool) else cell for cell in row)
            writer.writerow("" if cell is None else cell for cell in cells)


def integers(kind, low, high):
    return pa.array([low, high, 0, 1, 7, high - 1], kind)


D = decimal.Decimal
TYPES = [
    ("int8", integers(pa.int8(), -128, 127)),
    ("int16", integers(pa.int16(), -(2**15), 2**15 - 1)),
    ("int32", integers(pa.int32(), -(2**31), 2**31 - 1)),
    ("int64", integers(pa.int64(), -(2**63), 2**63 - 1)),
    ("uint8", integers(pa.uint8(), 0, 255)),
    ("uint16", integers(pa.uint16(), 0, 2**16 - 1)),
    ("uint32", integers(pa.uint32(), 0, 2**32 - 1)),
    ("uint64", integers(pa.uint64(), 0, 2**64 - 1)),
    ("float", pa.array([0.5, -1.25, 3.0, 1e-3, -2e10, 0.0], pa.float32())),
    ("double", pa.array([0.1, -1e-30, 3e38, 1 / 3, -2.5, 0.0], pa.float64())),
    ("boolean", pa.array([True, False, False, True, True, False])),
    ("decimal", pa.array([D("-123456.78"), D("0.05"), D("9.99"), D("1.00"), D("-0.01"), D("7.00")], pa.decimal128(10, 2))),
    ("whole_decimal", pa.array([D(v) for v in (-300, 200, 1, 0, 5, 10**20)], pa.decimal128(38, 0))),
    ("kind", pa.array(["cat", "dog", None, "cat", "emu", "dog"])),
]
write_with_csv("types", TYPES)
# The same by other means of storage.
write("integer_decimals", TYPES, store_decimal_as_integer=True)
write("plain", TYPES, use_dictionary=False, compression="none", row_group_size=4)
write("paged", TYPES, data_page_version="2.0", data_page_size=16, write_batch_size=2, row_group_size=5)
schema = pa.schema([pa.field(name, array.type, nullable=False) for name, array in TYPES[:-1]])
pq.write_table(pa.table([a for _, a in TYPES[:-1]], schema=schema), HERE / "required.parquet", version="1.0")

LONG = [
    ("x", pa.array([(i * 7919) % 1000 / 8 for i in range(700)])),
    ("few", pa.array([i % 3 for i in range(700)], pa.int64())),
    ("class", pa.array([["b", "a", "c", None][i % 4] for i in range(700)])),
    ("age", pa.array([i // 10 for i in range(700)], pa.int32())),
]
write_with_csv("snappy", LONG, compression="snappy", row_group_size=250)
for codec in ("gzip", "zstd", "lz4", "brotli"):
    write(codec, LONG, compression=codec, row_group_size=250)

# Numbers, categories, dates and gaps. A cell of text that looks like a date or is spelt as missing stays what it is.
day, time = datetime.date, datetime.datetime
MIXED = [
    ("size", pa.array([1.5, None, -2.0, 4.0, float("nan"), 6.0])),
    ("count", pa.array([1, 2, None, 4, 5, 6], pa.int32())),
    ("kind", pa.array(["cat", "dog", "dog", None, "emu, big", "cat"])),
    ("tame", pa.array([True, False, None, True, True, False])),
    ("born", pa.array([day(2000, 3, 1), day(1969, 12, 31), None, day(2024, 2, 29), day(1970, 1, 1), day(2000, 3, 1)])),
    ("seen", pa.array([time(2024, 1, 31, 12, 30), None, time(2024, 2, 1), time(2024, 2, 1, 6, 45), time(2024, 3, 1), time(2024, 1, 31)], pa.timestamp("us"))),
    ("fed", pa.array([time(2024, 1, 31, 12, 30, 5), time(2024, 2, 1), time(2024, 2, 1), None, time(2024, 3, 1), time(2024, 1, 31)], pa.timestamp("ns"))),
    ("sold", pa.array(["2024-01-31", "2023-12-01", None, "2024-01-31", "2024-02-01", "2024-01-31"])),
    ("zip", pa.array([1010, 1020, 1010, 1010, None, 1020], pa.int64())),
]
write("mixed", MIXED)
pq.write_table(pa.table([a for _, a in MIXED], names=[n for n, _ in MIXED]), HERE / "mixed_groups.parquet", row_group_size=2)
for name, delimiter in (("mixed.csv", ","), ("mixed.tsv", "\t")):
    with open(HERE / name, "w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(name for name, _ in MIXED)
        cell = lambda v: "" if v is None else str(v).lower() if isinstance(v, bool) else v.isoformat() if isinstance(v, day) else v
        writer.writerows([cell(v) for v in row] for row in zip(*(a.to_pylist() for _, a in MIXED)))

# What is refused, and what nearly is.
TWO = pa.array([1.0, 2.0])
write("one_row", [("x", pa.array([1.0])), ("y", pa.array([2.0]))])
write("no_rows", [("x", pa.array([], pa.float64()))])
write("same_names", [("x", TWO), ("x", TWO)])
write("text", [("x", TWO), ("kind", pa.array(["cat", "3"]))])
write("nothing", [("x", TWO), ("none", pa.nulls(2))])
write("null", [("x", pa.array([1.0, None])), ("y", TWO)])
write("nan", [("x", TWO), ("y", pa.array([1.0, float("nan")]))])
write("infinite", [("x", pa.array([1.0, 2.0, float("-inf")])), ("y", pa.array([1.0, 2.0, 3.0]))], row_group_size=2)
write("large", [("x", pa.array([1.0, 1e99]))])
write("nested", [("x", TWO), ("list", pa.array([[1.0], [2.0, 3.0]]))])
write("struct", [("x", TWO), ("point", pa.array([{"a": 1, "b": 2}, {"a": 3, "b": 4}]))])
day = datetime.datetime(2020, 1, 1)
write("date", [("x", TWO), ("day", pa.array([day.date(), day.date()]))])
write("nanoseconds", [("x", TWO), ("time", pa.array([day, day], pa.timestamp("ns")))])
write("half", [("x", TWO), ("h", pa.array([1.0, 2.0], pa.float16()))])
write("wide_decimal", [("x", TWO), ("d", pa.array([D(1), D(2)], pa.decimal256(60, 0)))])
write("bytes", [("x", TWO), ("b", pa.array([b"\xff", b"a"]))])
write("floats_as_classes", [("x", TWO), ("c", TWO)])
write("numbers_as_classes", [("x", pa.array([1.0] * 4)), ("c", pa.array([10, 9, None, -1], pa.int8()))])
