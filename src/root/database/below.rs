//! What the Nix database of a base image says.
//!
//! The file comes from outside, and SQLite's own advice for such files is followed ("Defense Against The Dark Arts",
//! sqlite.org/security.html): nothing that the schema defines is run, what is read are two plain tables, and rows,
//! bytes and SQLite's memory have limits. SQLite works on a copy in a folder of its own, which is removed whatever
//! happens: what was not written back to the main file has to be taken in, and that is written.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{DIRECTORY, DatabaseError, FILE, Row};
use crate::base::filesystem;
use crate::layer::Progress;
use crate::temporary::TemporaryDirectory;

/// Bytes of the database with its log or journal: ten times what a machine with 100,000 paths has.
const MOST_BYTES: u64 = 1 << 30;
/// Rows of `ValidPaths`.
const MOST_PATHS: usize = 500_000;
/// Rows of `Refs`.
const MOST_REFERENCES: usize = 5_000_000;
/// Bytes of a value, of a row and of an SQL statement of the schema.
const LONGEST: i32 = 1 << 20;
/// Bytes of all values that are kept.
const MOST_TEXT: usize = 512 << 20;
/// Bytes that SQLite may use: its schema alone may be as large as the file.
const MEMORY: u32 = 128 << 20;

/// How often Ctrl-C is looked at while SQLite works.
const LOOK: Duration = Duration::from_millis(50);

/// The columns that are read of each table.
const COLUMNS: [(&str, &[&str]); 2] = [
    (
        "ValidPaths",
        &["id", "path", "hash", "registrationTime", "deriver", "narSize", "ultimate", "sigs", "ca"],
    ),
    ("Refs", &["referrer", "reference"]),
];

/// What the database of `image` says; nothing if it has none.
pub(super) fn rows(
    image: &filesystem::Directory,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, Row>, DatabaseError> {
    let at = Path::new(DIRECTORY).join(FILE);
    let Some(main) = image.file(&at) else { return Ok(BTreeMap::new()) };
    let below = Below { image: main.path.to_path_buf(), progress };
    let parent = std::env::temp_dir();
    let folder = TemporaryDirectory::new_in(&parent, "gantry-").map_err(DatabaseError::io(&parent))?;
    let copy = folder.path().join(FILE);
    below.copy(image, &at, &copy)?;
    let rows = below.open(&copy).map_err(|error| below.wrong(error)).and_then(|database| {
        let rows = below.read(&database);
        // An error here is about the copy, which is removed.
        drop(database.close());
        rows
    });
    match progress.cancelled() {
        true => Err(DatabaseError::Interrupted),
        false => rows,
    }
}

/// The database of a base image.
struct Below<'p> {
    /// The image's file that the database is in.
    image: PathBuf,
    progress: &'p dyn Progress,
}

impl Below<'_> {
    /// Copies the database, and the log or journal beside it.
    fn copy(&self, image: &filesystem::Directory, at: &Path, copy: &Path) -> Result<(), DatabaseError> {
        let mut left = MOST_BYTES;
        let mut buffer = vec![0; 256 << 10];
        for suffix in ["", "-wal", "-journal"] {
            let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            let Some(extent) = image.file(&named(at)) else { continue };
            left = left.checked_sub(extent.size).ok_or_else(|| {
                self.refused(format!("it has more than {MOST_BYTES} bytes, the log beside it included"))
            })?;
            let to = named(copy);
            let mut file = File::create_new(&to).map_err(DatabaseError::io(&to))?;
            let mut from = extent.reader();
            loop {
                if self.progress.cancelled() {
                    return Err(DatabaseError::Interrupted);
                }
                match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => file.write_all(&buffer[..n]).map_err(DatabaseError::io(&to))?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(DatabaseError::io(&extent.path)(error)),
                }
            }
        }
        fs::metadata(copy).map(drop).map_err(DatabaseError::io(copy))
    }

    /// Opens the copy so that nothing in it is trusted.
    fn open(&self, copy: &Path) -> rusqlite::Result<Connection> {
        // Not read-only: what is in the log has to be taken in.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(copy, flags)?;
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, LONGEST),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
            (Limit::SQLITE_LIMIT_VDBE_OP, 10_000),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            database.set_limit(limit, value)?;
        }
        for (setting, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        ] {
            database.set_db_config(setting, on)?;
        }
        // Of the whole process, which writes a database of its own besides, with less.
        database.query_row(&format!("pragma hard_heap_limit = {MEMORY}"), [], |_| Ok(()))?;
        database
            .execute_batch("pragma cell_size_check = on; pragma mmap_size = 0; pragma query_only = on")?;
        Ok(database)
    }

    /// Reads the tables, until Ctrl-C.
    fn read(&self, database: &Connection) -> Result<BTreeMap<String, Row>, DatabaseError> {
        let handle = database.get_interrupt_handle();
        thread::scope(|scope| {
            let (done, waiting) = mpsc::channel::<()>();
            let watch = move || {
                while waiting.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    if self.progress.cancelled() {
                        handle.interrupt();
                    }
                }
            };
            let watcher = thread::Builder::new().spawn_scoped(scope, watch);
            watcher.map_err(|error| self.refused(format!("cannot start a thread to read it: {error}")))?;
            let rows = self.tables(database);
            drop(done);
            rows
        })
    }

    fn tables(&self, database: &Connection) -> Result<BTreeMap<String, Row>, DatabaseError> {
        for (table, columns) in COLUMNS {
            self.check(database, table, columns)?;
        }
        let failed = |error| self.wrong(error);
        let mut text = 0;
        let mut paths: HashMap<i64, String> = HashMap::new();
        let mut found: BTreeMap<String, Row> = BTreeMap::new();
        let mut select = database
            .prepare("select path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca, id from ValidPaths not indexed")
            .map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let read = || -> rusqlite::Result<(i64, String, Row)> {
                let (hash, time, deriver, size) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                let (ultimate, signatures, content_address) = (row.get(5)?, row.get(6)?, row.get(7)?);
                let references = Vec::new();
                let made =
                    Row { hash, time, deriver, size, ultimate, signatures, content_address, references };
                Ok((row.get(8)?, row.get(0)?, made))
            };
            let (id, path, row) = read().map_err(failed)?;
            self.more(found.len() + 1, MOST_PATHS, "ValidPaths")?;
            let optional = [&row.deriver, &row.signatures, &row.content_address].into_iter().flatten();
            self.more_text(
                &mut text,
                2 * path.len() + optional.chain([&row.hash]).map(String::len).sum::<usize>(),
            )?;
            paths.insert(id, path.clone());
            found.insert(path, row);
        }
        let mut select =
            database.prepare("select referrer, reference from Refs not indexed").map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            let (from, to): (i64, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            count += 1;
            self.more(count, MOST_REFERENCES, "Refs")?;
            if let (Some(from), Some(to)) = (paths.get(&from), paths.get(&to))
                && let Some(row) = found.get_mut(from)
            {
                self.more_text(&mut text, to.len())?;
                row.references.push(to.clone());
            }
        }
        Ok(found)
    }

    /// Refuses what has the name of a table and runs SQL, or code of an extension, when it is read: views, virtual
    /// tables, generated columns.
    fn check(&self, database: &Connection, table: &str, columns: &[&str]) -> Result<(), DatabaseError> {
        let failed = |error| self.wrong(error);
        let mut select = database
            .prepare("select type, rootpage from sqlite_schema where name = ? collate nocase")
            .map_err(failed)?;
        let found = select.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        let found: Vec<(String, i64)> = found.take(2).collect::<Result<_, _>>().map_err(failed)?;
        match &found[..] {
            [] => return Err(self.refused(format!("it has no table {table}"))),
            [(kind, page)] if kind == "table" && *page > 0 => {}
            [(kind, _)] if kind == "table" => {
                return Err(self.refused(format!("{table} is a virtual table, expected a table")));
            }
            [(kind, _)] => return Err(self.refused(format!("{table} is a {kind}, expected a table"))),
            _ => return Err(self.refused(format!("{table} is there twice"))),
        }
        let mut select = database.prepare(&format!("pragma table_xinfo({table})")).map_err(failed)?;
        let found = select.query_map([], |row| Ok((row.get("name")?, row.get("hidden")?))).map_err(failed)?;
        let found: Vec<(String, i64)> = found.collect::<Result<_, _>>().map_err(failed)?;
        if let Some((column, _)) = found.iter().find(|(_, hidden)| *hidden != 0) {
            return Err(self.refused(format!("{table}.{column} is a generated column, expected a plain one")));
        }
        match columns.iter().find(|column| !found.iter().any(|(name, _)| name == *column)) {
            Some(missing) => Err(self.refused(format!("{table} has no column {missing}"))),
            None => Ok(()),
        }
    }

    fn more(&self, count: usize, most: usize, table: &str) -> Result<(), DatabaseError> {
        if self.progress.cancelled() {
            return Err(DatabaseError::Interrupted);
        }
        match count > most {
            true => Err(self.refused(format!("{table} has more than {most} rows"))),
            false => Ok(()),
        }
    }

    fn more_text(&self, sum: &mut usize, bytes: usize) -> Result<(), DatabaseError> {
        *sum += bytes;
        match *sum > MOST_TEXT {
            true => Err(self.refused(format!("its rows have more than {MOST_TEXT} bytes"))),
            false => Ok(()),
        }
    }

    fn wrong(&self, error: rusqlite::Error) -> DatabaseError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OutOfMemory) => {
                self.refused(format!("SQLite needs more than {MEMORY} bytes of memory to read it"))
            }
            Some(ErrorCode::TooBig) => self.refused(format!("a value has more than {LONGEST} bytes")),
            Some(ErrorCode::OperationInterrupted) => DatabaseError::Interrupted,
            _ => self.refused(error.to_string()),
        }
    }

    fn refused(&self, what: String) -> DatabaseError {
        DatabaseError::Below { image: self.image.clone(), what }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::filesystem::{Directory, Entry, Inode, InodeKind, Metadata};
    use crate::layer::{Extent, Silent};

    /// An image whose database these statements make.
    fn image(folder: &Path, sql: &str) -> Directory {
        let path = folder.join("made");
        drop(fs::remove_file(&path));
        let database = Connection::open(&path).unwrap();
        database.execute_batch("pragma journal_mode = memory; pragma synchronous = off").unwrap();
        database.execute_batch(sql).unwrap();
        drop(database);
        let size = fs::metadata(&path).unwrap().len();
        let file = Arc::new(File::open(&path).unwrap());
        let extent = Extent { file, offset: 0, size, path: path.into() };
        let inode = Inode { metadata: Metadata::default(), kind: InodeKind::File(extent) };
        let mut entry = Entry::Inode(Arc::new(inode));
        for name in ["db.sqlite", "db", "nix", "var", "nix"] {
            let entries = BTreeMap::from([(name.into(), entry)]);
            entry = Entry::Directory(Box::new(Directory { metadata: Metadata::default(), entries }));
        }
        match entry {
            Entry::Directory(root) => *root,
            Entry::Inode(_) => unreachable!("a directory holds it"),
        }
    }

    const REFS: &str = "create table Refs (referrer integer, reference integer);";
    const PATHS: &str = "create table ValidPaths (id integer primary key, path text, hash text, registrationTime integer, \
        deriver text, narSize integer, ultimate integer, sigs text, ca text);";
    const ONE: &str =
        "insert into ValidPaths values (1, '/nix/store/a', 'sha256:x', 1, null, 1, null, null, null);";

    fn error(sql: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        rows(&image(folder.path(), sql), &Silent).err().expect(sql).to_string()
    }

    #[test]
    fn plain_tables_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let sql = format!("{PATHS}{REFS}{ONE}insert into Refs values (1, 1), (1, 7);");
        let found = rows(&image(folder.path(), &sql), &Silent).unwrap();
        assert_eq!(found["/nix/store/a"].references, ["/nix/store/a"]);
    }

    #[test]
    fn nothing_that_runs_sql_is_read() {
        let endless =
            "with recursive n(x) as (select 1 union all select x + 1 from n) select x id, 'p' || x path";
        let view = format!(
            "create view ValidPaths as {endless}, 'h' hash, 1 registrationTime, '' deriver, 1 narSize, 1 ultimate, '' sigs, '' ca from n;"
        );
        let generated = PATHS.replace("path text", "path text as (hex(zeroblob(100000000)))");
        for (sql, says) in [
            (format!("{view}{REFS}"), "ValidPaths is a view, expected a table"),
            (format!("{PATHS}create view refs as select 1 referrer, 1 reference;"), "Refs is a view"),
            (
                format!("{PATHS}create virtual table Refs using fts5(referrer, reference);"),
                "Refs is a virtual table",
            ),
            (format!("{generated}{REFS}"), "ValidPaths.path is a generated column"),
            (PATHS.to_owned(), "it has no table Refs"),
            (format!("{}{REFS}", PATHS.replace("hash text, ", "")), "ValidPaths has no column hash"),
            (
                format!("{PATHS}{REFS}insert into ValidPaths (path, hash) values (x'00', 'h')"),
                "Invalid column type",
            ),
        ] {
            let error = error(&sql);
            assert!(error.contains("/made: /nix/var/nix/db/db.sqlite: ") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn memory_is_limited() {
        let long =
            format!("{PATHS}{REFS}insert into ValidPaths (path, hash) values (hex(zeroblob(1000000)), 'h')");
        assert!(error(&long).contains("a value has more than 1048576 bytes"));
        // A schema of 160 MB, which SQLite reads before anything else.
        let tables = "create table t (x); pragma writable_schema = on; \
            with recursive n(x) as (select 1 union all select x + 1 from n where x < 200) \
            insert into sqlite_schema select 'table', 'n' || x, 'n' || x, 2, \
            'create table n' || x || ' (x default ''' || hex(zeroblob(400000)) || ''')' from n;";
        let error = error(&format!("{PATHS}{REFS}{tables}"));
        assert!(error.contains("SQLite needs more than 134217728 bytes of memory"), "{error}");
    }

    #[test]
    fn a_request_to_stop_is_heeded() {
        struct Stop;
        impl Progress for Stop {
            fn layer(&self, _index: usize, _count: usize) {}
            fn bytes(&self, _count: u64) {}
            fn cancelled(&self) -> bool {
                true
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path(), &format!("{PATHS}{REFS}{ONE}"));
        assert!(matches!(rows(&image, &Stop), Err(DatabaseError::Interrupted)));
    }
}
