"""Words in capitals, ten a second: a table job whose function is in Python. python.yaml runs it."""

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

WORDS = ("apache", "flink", "python")


@udf(result_type=DataTypes.STRING())
def shout(number: int) -> str:
    """The word of this number."""
    return WORDS[number % len(WORDS)].upper()


def main() -> None:
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.create_temporary_function("shout", shout)
    tables.execute_sql(
        "CREATE TABLE numbers (number INT) WITH ('connector' = 'datagen', "
        "'rows-per-second' = '10', 'fields.number.min' = '0', 'fields.number.max' = '2')"
    )
    tables.execute_sql("CREATE TABLE words (word STRING) WITH ('connector' = 'print')")
    # In application mode this returns at once, and the job goes on.
    tables.execute_sql("INSERT INTO words SELECT shout(number) FROM numbers")


if __name__ == "__main__":
    main()
