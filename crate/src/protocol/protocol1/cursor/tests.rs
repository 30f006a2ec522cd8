//! Reading a table of dated rows to its end, whatever commits late and however many rows have one time.

use super::*;
use proptest::prelude::*;

fn apps(tables: &[(&str, &[&str])]) -> BTreeMap<AppId, Vec<TableName>> {
    let names = |names: &[&str]| names.iter().map(|name| TableName::parse(*name).unwrap()).collect();
    tables.iter().map(|(app, tables)| (AppId::parse(*app).unwrap(), names(tables))).collect()
}

/// A row: when it was dated, when it committed, its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Row {
    created: u64,
    visible: u64,
    table: usize,
}

const TABLES: [&str; 3] = ["notes", "tags", "tasks"];
const PAGE: usize = 5;
const ALL: usize = 20;

/// The rows that are answered, the time behind them, and whether there are more.
fn answer(rows: &[Row], table: Option<usize>, since: Time, now: u64, limit: usize) -> (Vec<Row>, Time, bool) {
    let asked =
        |row: &&Row| row.created > since.0 && row.visible <= now && table.is_none_or(|table| row.table == table);
    let mut found: Vec<Row> = rows.iter().filter(asked).copied().collect();
    found.sort();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let until = if has_more { found.last().map_or(now, |row| row.created) } else { now };
    (found, Time(until), has_more)
}

/// One step as the engine takes it; what came.
fn step(cursor: &mut TimeCursor, apps: &BTreeMap<AppId, Vec<TableName>>, rows: &[Row], now: u64) -> Option<Vec<Row>> {
    let (app, table, since) = match cursor.next(apps)? {
        Step::App { app, since } => {
            let (came, until, has_more) = answer(rows, None, since, now, ALL);
            let tables = &apps[&app];
            if has_more {
                cursor.read_by_table(&app, tables, since);
                return Some(Vec::new());
            }
            cursor.read_app(&app, tables, until);
            return Some(came);
        }
        Step::Table { app, table, since, .. } => (app, table, since),
    };
    let number = TABLES.iter().position(|name| *name == table.as_str()).unwrap();
    let (mut came, until, has_more) = answer(rows, Some(number), since, now, PAGE);
    if !has_more {
        cursor.read_table(&app, &table, until);
    } else if let Some(next) = since.next_page(until) {
        cursor.read_page(&app, &table, next);
    } else {
        came.extend(answer(rows, None, since, now, ALL).0.into_iter().filter(|row| row.table == number));
        cursor.read_page(&app, &table, since.step_over(until));
    }
    Some(came)
}

const SECOND: u64 = 1_000_000;
const START: u64 = 1_000_000 * SECOND;

/// Rows over ten minutes, dated to so coarse a tick, committed up to 50 s later.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let tick = prop::sample::select(vec![1, 1000, SECOND]);
    let row = (0..600 * SECOND, 0..50 * SECOND, 0..TABLES.len());
    (tick, prop::collection::vec(row, 0..60)).prop_map(|(tick, rows)| {
        let dated = |(at, late, table)| {
            let created = (START + at) / tick * tick;
            Row { created, visible: created + tick + late, table }
        };
        let mut rows: Vec<Row> = rows.into_iter().map(dated).collect();
        // No more of one time than a push is answered with.
        rows.sort();
        let mut same = 0;
        let mut last = 0;
        rows.retain(|row| {
            same = if row.created == last { same + 1 } else { 1 };
            last = row.created;
            same < ALL
        });
        rows
    })
}

proptest! {
    /// Polls at any times, each cut short after any number of requests and gone on with from what was stored.
    #[test]
    fn everything_that_commits_within_the_overlap_comes(rows in rows(), polls in prop::collection::vec((0..60 * SECOND, 1usize..12), 1..30)) {
        let apps = apps(&[("todo", &TABLES)]);
        let (mut cursor, mut now, mut came) = (TimeCursor::default(), START, Vec::new());
        for (passed, steps) in polls {
            now += passed;
            if cursor.is_at_rest() {
                cursor.begin(Time(now), &[]);
            }
            for _ in 0..steps {
                let Some(more) = step(&mut cursor, &apps, &rows, now) else { cursor.end(); break };
                came.extend(more);
                now += SECOND / 10;
            }
            cursor = TimeCursor::read(Some(&cursor.text()));
        }
        now += 1000 * SECOND;
        for _ in 0..2 {
            if cursor.is_at_rest() {
                cursor.begin(Time(now), &[]);
            }
            let mut steps = 0;
            while let Some(more) = step(&mut cursor, &apps, &rows, now) {
                came.extend(more);
                steps += 1;
                prop_assert!(steps < 1000, "it comes to an end");
            }
            cursor.end();
        }
        let lost: Vec<&Row> = rows.iter().filter(|row| !came.contains(row)).collect();
        prop_assert!(lost.is_empty(), "{lost:?}");
    }
}

#[test]
fn a_table_that_is_new_is_read_from_the_beginning_and_the_others_where_they_were() {
    let (app, later) = (AppId::parse("todo").unwrap(), Time(START + 90 * SECOND));
    let before = apps(&[("todo", &["tasks"])]);
    let mut cursor = TimeCursor::default();
    cursor.begin(Time(START), &[]);
    cursor.read_table(&app, &before[&app][0], Time(START));
    cursor.end();
    cursor.begin(later, &[]);
    assert_eq!(cursor.next(&before), Some(Step::App { app: app.clone(), since: Time(START).before(OVERLAP) }));
    let both = apps(&[("todo", &["tags", "tasks"])]);
    let Some(Step::Table { table, since, is_first, .. }) = cursor.next(&both) else { panic!("a table") };
    assert_eq!((table.as_str(), since, is_first), ("tags", Time(0), true));
    cursor.read_table(&app, &table, later);
    let Some(Step::Table { table, since, is_first, .. }) = cursor.next(&both) else { panic!("a table") };
    assert_eq!((table.as_str(), since, is_first), ("tasks", Time(START).before(OVERLAP), false));
    cursor.read_table(&app, &table, later);
    assert_eq!(cursor.next(&both), None);
}

fn since(cursor: &TimeCursor, tables: &BTreeMap<AppId, Vec<TableName>>) -> Time {
    match cursor.next(tables) {
        Some(Step::App { since, .. } | Step::Table { since, .. }) => since,
        None => panic!("a step"),
    }
}

/// Reads the only table to its end.
fn read(cursor: &mut TimeCursor, until: Time) {
    let (app, table) = (AppId::parse("todo").unwrap(), TableName::parse("tasks").unwrap());
    cursor.read_table(&app, &table, until);
    cursor.end();
}

#[test]
fn what_may_have_been_left_out_is_read_again_everything_once_and_then_a_week_every_day() {
    let (tables, club) = (apps(&[("todo", &["tasks"])]), ["club".to_owned()]);
    let now = 30 * DAY;
    let mut cursor = TimeCursor::default();
    cursor.begin(Time(now), &club);
    assert_eq!(since(&cursor, &tables), Time(0));
    read(&mut cursor, Time(now + 365 * DAY));
    cursor.begin(Time(now + SECOND), &club);
    assert_eq!(since(&cursor, &tables), Time(now - OVERLAP), "it is read up to the time of the run");
    read(&mut cursor, Time(now + SECOND));
    cursor.begin(Time(now + 2 * DAY), &club);
    let kept = TimeCursor::read(Some(&cursor.clone().text()));
    assert_eq!(kept, cursor);
    assert_eq!(since(&cursor, &tables), Time(0), "nobody knows what was left out the first time");
    read(&mut cursor, Time(now + 2 * DAY));
    cursor.begin(Time(now + 2 * DAY + SECOND), &club);
    assert_eq!(since(&cursor, &tables), Time(now + 2 * DAY - OVERLAP), "once a day is enough");
    read(&mut cursor, Time(now + 2 * DAY));
    cursor.begin(Time(now + 4 * DAY), &club);
    assert_eq!(since(&cursor, &tables), Time(now + 2 * DAY - WIDE_OVERLAP));
    read(&mut cursor, Time(now + 4 * DAY));
    cursor.begin(Time(now + 6 * DAY), &[]);
    assert_eq!(since(&cursor, &tables), Time(now + 4 * DAY - OVERLAP), "nobody else writes there");
    read(&mut cursor, Time(now + 6 * DAY));
    let earlier = cursor.a_day_before();
    assert!(earlier.is_at_rest());
    assert_eq!(earlier.until("todo/tasks"), Some(Time(now + 5 * DAY)));
}

#[test]
fn everything_is_read_when_a_space_is_joined_and_when_a_clock_was_ahead() {
    let tables = apps(&[("todo", &["tasks"])]);
    let (club, both) = (["club".to_owned()], ["club".to_owned(), "choir".to_owned()]);
    let now = 30 * DAY;
    let mut cursor = TimeCursor::default();
    cursor.begin(Time(now), &[]);
    read(&mut cursor, Time(now));
    for (number, spaces) in [&club[..], &both[..]].into_iter().enumerate() {
        let later = now + (1 + number as u64) * 60 * SECOND;
        cursor.begin(Time(later), spaces);
        assert_eq!(since(&cursor, &tables), Time(0));
        read(&mut cursor, Time(later));
        cursor.begin(Time(later + SECOND), spaces);
        assert_eq!(since(&cursor, &tables), Time(later - OVERLAP));
        read(&mut cursor, Time(later));
    }
    cursor.begin(Time(now + 300 * SECOND), &club);
    assert!(since(&cursor, &tables) > Time(0), "a space that was left is none that was joined");
    read(&mut cursor, Time(now + 300 * SECOND));
    cursor.begin(Time(now + 400 * SECOND), &both);
    assert_eq!(since(&cursor, &tables), Time(0), "until it is joined again");
    read(&mut cursor, Time(now + 400 * SECOND));
    cursor.begin(Time(now), &both);
    assert_eq!(since(&cursor, &tables), Time(0), "what came while the clock was ahead is not passed by");
}

#[test]
fn what_is_no_cursor_is_the_beginning() {
    for text in ["", "{", "[]", "{\"until\":7}"] {
        assert_eq!(TimeCursor::read(Some(text)), TimeCursor::default());
    }
    assert_eq!(Time::parse("2026-11-22T09:12:30.187595699Z").unwrap().to_string(), "2026-11-22T09:12:30.187595Z");
    assert_eq!(Time::parse("2026-11-22T09:12:30.5Z").unwrap().to_string(), "2026-11-22T09:12:30.500000Z");
}
