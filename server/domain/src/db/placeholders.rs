//! The `$n` lists of statements that take many values. Only numbers get into the text; what they stand for is bound like every other
//! argument. PostgreSQL takes no empty list: who has no values asks nothing.

/// The most placeholders that one statement over an unbounded set uses; more go into several statements. SQLite takes 32,766.
pub const BATCH: usize = 500;

/// `$first, $first+1, ...` for so many values: what stands between the brackets of `IN (...)`.
#[must_use]
pub fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// `($1, $2), ($3, $4), ...`, counted from `$1`: so many rows of so many columns, as they stand behind `VALUES`.
#[must_use]
pub fn placeholder_rows(rows: usize, columns: usize) -> String {
    (0..rows).map(|row| format!("({})", placeholders(row * columns + 1, columns))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_where_the_arguments_before_it_end() {
        assert_eq!(placeholders(1, 1), "$1");
        assert_eq!(placeholders(3, 3), "$3, $4, $5");
        assert_eq!(placeholders(9, 3), "$9, $10, $11");
        assert_eq!(placeholders(2, 0), "");
    }

    #[test]
    fn rows_use_each_number_once_and_in_order() {
        assert_eq!(placeholder_rows(1, 3), "($1, $2, $3)");
        assert_eq!(placeholder_rows(3, 2), "($1, $2), ($3, $4), ($5, $6)");
        assert_eq!(placeholder_rows(0, 4), "");
    }
}
