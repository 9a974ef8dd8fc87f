//! Tables in golden files: each test has a part under its name, with a line for each case.

/// The lines of a test's part, each in its columns.
pub(crate) fn rows<const N: usize>(table: &'static str, test: &str) -> Vec<[&'static str; N]> {
    let part = table.split("\n\n").find_map(|part| part.strip_prefix(&format!("{test}\n")));
    let columns = |line: &'static str| {
        let columns: Vec<_> = line.split(" | ").collect();
        columns.try_into().unwrap_or_else(|_| panic!("{line}"))
    };
    part.unwrap_or_else(|| panic!("no part {test}")).lines().map(columns).collect()
}

/// A test for each part of a table: `hold` is called with each of its lines.
macro_rules! tests_of_table {
    ($table:expr, $hold:path { $($(#[$doc:meta])* fn $test:ident();)* }) => {
        $($(#[$doc])* #[test] fn $test() {
            for row in rows($table, stringify!($test)) {
                $hold(row);
            }
        })*

        #[test]
        fn each_part_of_the_table_is_a_test() {
            let parts = $table.split("\n\n").map(|part| part.split('\n').next().unwrap());
            assert_eq!(parts.collect::<Vec<_>>(), [$(stringify!($test)),*]);
        }
    };
}
pub(crate) use tests_of_table;
