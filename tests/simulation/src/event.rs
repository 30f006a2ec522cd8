//! What may happen in a schedule, as plain data: drawn from a seed, kept in files, and left out one by one when a
//! failure is made smaller.

use super::deploy::Interim;
use super::model::Act;
use super::place::{EDITABLE, Record};
use super::random::Random;
use serde::{Deserialize, Serialize};

/// How many devices there are.
pub const DEVICES: u64 = 5;
/// How often a server is replaced, in a thousand events of schedules in which that happens.
const DEPLOYS_PERMILLE: u64 = 25;
/// How many more clashes there are in them, in a thousand events.
const MORE_CLASHES_PERMILLE: u64 = 300;
/// How often another program writes from the future, and how often somebody writes over what such programs wrote, in a thousand
/// events of schedules in which servers of protocol 1 take that.
const AHEAD_PERMILLE: u64 = 15;
const OVER_PERMILLE: u64 = 45;
const HOUR: u64 = 3_600_000;
const DAY: i64 = 24 * 3_600_000;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "a device, a tab, an amount")]
pub enum Event {
    /// A person, or an assistant, writes in one transaction.
    Write {
        device: usize,
        tab: usize,
        assistant: bool,
        acts: Vec<(Record, Act)>,
    },
    /// A form is saved whole: what it showed, with one field changed.
    Form {
        device: usize,
        tab: usize,
        record: Record,
        field: u8,
        text: String,
    },
    /// Several devices write the same field in the same moment.
    Clash {
        devices: Vec<usize>,
        record: Record,
        field: u8,
        text: String,
    },
    /// A person types on while changes are pushed.
    Burst {
        device: usize,
        record: Record,
        text: String,
    },
    /// Another program of the same user writes to the server: a record's update first, its insert later.
    Script {
        record: String,
        insert: bool,
    },
    /// Another program whose clock is so many milliseconds ahead, on a server of protocol 1.
    Ahead {
        record: String,
        insert: bool,
        ms: u64,
    },
    /// Somebody writes over what another program wrote.
    Over {
        device: usize,
        record: String,
    },
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A device's machine sleeps while nobody else does anything; monotonic clocks run on or stand still.
    Sleep {
        ms: u64,
        monotonic: bool,
    },
    /// A device is cut off, or is back.
    Online {
        device: usize,
        online: bool,
    },
    /// Of 1,000 requests so many meet a fault.
    Faulty {
        device: usize,
        permille: u64,
    },
    /// A wall clock is set: true time plus this, in milliseconds.
    Clock {
        device: usize,
        offset: i64,
    },
    /// A clock is set, a second tab is opened, and the first is gone before it notices.
    Handover {
        device: usize,
        offset: i64,
    },
    /// Commits fail for want of room: so many, after so many that do not.
    Full {
        device: usize,
        tab: usize,
        after: u64,
        count: u64,
    },
    /// A tab is killed after so many storage operations more.
    Crash {
        device: usize,
        tab: usize,
        operations: u64,
    },
    /// The first tab is closed and opened again.
    Restart {
        device: usize,
    },
    /// The app is updated to the version that has a table more; the first tab of it may die over its first operations.
    Upgrade {
        device: usize,
        operations: u64,
    },
    /// A second tab is opened, or closed.
    Second {
        device: usize,
        open: bool,
    },
    /// The first tab is frozen for so many milliseconds, in the middle of what it does, beside a second one.
    Freeze {
        device: usize,
        ms: u64,
    },
    /// Somebody asks to sync now.
    Hurry {
        device: usize,
    },
    /// A person opens the app that a device may not have pulled.
    Ensure {
        device: usize,
        tab: usize,
    },
    /// A person locks the vault, or unlocks it.
    Vault {
        device: usize,
        locked: bool,
    },
    /// New keys are made in the same moment: one of them becomes the newest.
    Rotate {
        devices: Vec<usize>,
    },
    /// The server hints that there is news.
    Nudge {
        device: usize,
    },
    /// The tokens given out so far are refused.
    ExpireTokens,
    /// The app gets tokens, gets none, or cannot ask.
    Tokens {
        device: usize,
        signed_in: bool,
        fail: bool,
    },
    /// The server takes changes of this app, or thinks it too new.
    Schema {
        known: bool,
    },
    /// The server is replaced: for so many milliseconds requests are answered these in turn. What is open is cut at once, or
    /// served by the one before until the new one is there.
    Deploy {
        answers: Vec<Interim>,
        ms: u64,
        drains: bool,
    },
    /// The server's log is copied, or goes on from the copy.
    Backup,
    Restore,
    /// A device loses its database.
    LoseDatabase {
        device: usize,
    },
    /// A device's power is cut: at most so many commits never reached the disk.
    CutPower {
        device: usize,
        commits: usize,
    },
}

/// What a schedule may contain besides edits, faults, crashes and wrong clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disasters {
    /// The server goes on with an older copy of its log.
    pub restore: bool,
    /// Devices lose their databases.
    pub loss: bool,
    /// Devices lose their last commits.
    pub cut: bool,
}

impl Disasters {
    /// The disasters of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        let (restore, loss, cut) = match seed % 8 {
            3 => (true, false, false),
            4 => (false, true, false),
            5 => (false, false, true),
            6 => (false, true, true),
            7 => (true, true, true),
            _ => (false, false, false),
        };
        Self { restore, loss, cut }
    }

    /// Whether the server may lose what a device then loses, too: only that replicas agree can be promised then.
    #[must_use]
    pub const fn may_lose_everything(self) -> bool {
        self.restore && (self.loss || self.cut)
    }

    /// Whether every device always knows what it did.
    #[must_use]
    pub const fn are_none(self) -> bool {
        !self.restore && !self.loss && !self.cut
    }
}

/// Draws events.
pub struct Dice<'a> {
    random: &'a Random,
    disasters: Disasters,
    deploys: bool,
    rolls: bool,
    values: u64,
}

impl<'a> Dice<'a> {
    /// Draws from this source; servers are replaced where `deploys`, and speak protocol 1 at times where `rolls`.
    #[must_use]
    pub fn new(random: &'a Random, disasters: Disasters, deploys: bool, rolls: bool) -> Self {
        Self { random, disasters, deploys, rolls, values: 0 }
    }

    /// The next event.
    pub fn event(&mut self) -> Event {
        if self.deploys && self.random.chance(DEPLOYS_PERMILLE) {
            return self.deploy();
        }
        // Who is kept apart by deploys competes by time: what competes in one moment must keep its share.
        if self.deploys && self.random.chance(MORE_CLASHES_PERMILLE) {
            return self.clash();
        }
        let device = self.device();
        if self.rolls && self.random.chance(AHEAD_PERMILLE) {
            let ms = *self.random.pick(&[600_000, HOUR, 20 * HOUR, 26 * HOUR, 60 * HOUR]);
            return Event::Ahead { record: self.foreign(), insert: self.random.chance(400), ms };
        }
        if self.rolls && self.random.chance(OVER_PERMILLE) {
            return Event::Over { device, record: self.foreign() };
        }
        match self.random.below(200) {
            0..=29 => self.write(device),
            34..=42 => self.form(device),
            30..=33 | 43..=89 | 132..=134 => self.clash(),
            90 => Event::Burst { device, record: self.record(), text: self.text() },
            91..=92 => Event::Script { record: self.foreign(), insert: self.random.chance(400) },
            93..=123 => Event::Pass(*self.random.pick(&[1, 3, 30, 200, 1000, 5000, 40_000])),
            124..=125 => Event::Rotate { devices: self.devices(usize::from(self.random.chance(400))) },
            126..=127 => self.full(device),
            128 => Event::Handover { device, offset: self.offset() },
            129..=131 => self.sleep(),
            135..=148 => self.network(device),
            149..=155 => Event::Clock { device, offset: self.offset() },
            156..=162 => self.crash(device),
            163..=169 => Event::Restart { device },
            170 => Event::Freeze { device, ms: *self.random.pick(&[2_000, 20_000, 60_000]) },
            171..=176 => Event::Second { device, open: self.random.chance(700) },
            177..=183 => Event::Hurry { device },
            184 => Event::Nudge { device },
            185..=186 => Event::Vault { device, locked: self.random.chance(500) },
            187 => Event::ExpireTokens,
            188..=190 => self.tokens(device),
            191 => Event::Schema { known: self.random.chance(700) },
            192 => Event::Upgrade { device, operations: self.random.below(60) },
            193 => Event::Ensure { device, tab: self.tab() },
            _ => self.disaster(device),
        }
    }

    fn device(&self) -> usize {
        usize::try_from(self.random.below(DEVICES)).unwrap_or(0)
    }

    /// A device and up to so many others.
    fn devices(&self, others: usize) -> Vec<usize> {
        let mut devices: Vec<usize> = (0..=others).map(|_| self.device()).collect();
        devices.sort_unstable();
        devices.dedup();
        devices
    }

    /// A record of other programs.
    fn foreign(&self) -> String {
        format!("s{}", self.random.below(4))
    }

    fn small(&self, end: u64) -> u8 {
        u8::try_from(self.random.below(end)).unwrap_or(0)
    }

    fn tab(&self) -> usize {
        usize::from(self.random.chance(300))
    }

    fn record(&self) -> Record {
        let table = match self.random.below(10) {
            0..=6 => 0,
            7..=8 => 1,
            _ => 2,
        };
        Record { table, id: self.small(5) }
    }

    /// A text nobody else writes. Envelopes travel as they are and rank above plaintext in a tie.
    fn text(&mut self) -> String {
        self.values += 1;
        let kind = ["", "", "", "enc:1:", "enc:2:0001", "enc:2:0002"];
        format!("{}v{}", self.random.pick(&kind), self.values)
    }

    fn fields(&mut self, permille: u64) -> Vec<(u8, String)> {
        let mut fields = Vec::new();
        for field in 0..u8::try_from(EDITABLE).unwrap_or(3) {
            if self.random.chance(permille) {
                fields.push((field, self.text()));
            }
        }
        fields
    }

    fn act(&mut self) -> Act {
        match self.random.below(100) {
            0..=49 => Act::Update(self.fields(400)),
            50..=79 => Act::Put(self.fields(700)),
            80..=91 => Act::Delete,
            _ => Act::Restore,
        }
    }

    fn write(&mut self, device: usize) -> Event {
        let count = if self.random.chance(200) { 2 + self.random.below(3) } else { 1 };
        let acts = (0..count).map(|_| (self.record(), self.act())).collect();
        Event::Write { device, tab: self.tab(), assistant: self.random.chance(100), acts }
    }

    fn form(&mut self, device: usize) -> Event {
        Event::Form { device, tab: self.tab(), record: self.record(), field: self.small(3), text: self.text() }
    }

    fn clash(&mut self) -> Event {
        let devices = self.devices(2 + usize::from(self.small(3)));
        Event::Clash { devices, record: self.record(), field: self.small(3), text: self.text() }
    }

    fn sleep(&self) -> Event {
        let ms = *self.random.pick(&[60_000, HOUR, 26 * HOUR, 21 * 24 * HOUR]);
        Event::Sleep { ms, monotonic: self.random.chance(500) }
    }

    fn network(&self, device: usize) -> Event {
        match self.random.below(5) {
            0 => Event::Online { device, online: false },
            1 => Event::Online { device, online: true },
            2 => Event::Faulty { device, permille: 0 },
            _ => Event::Faulty { device, permille: *self.random.pick(&[200, 500]) },
        }
    }

    fn full(&self, device: usize) -> Event {
        Event::Full { device, tab: self.tab(), after: self.random.below(12), count: 1 + self.random.below(3) }
    }

    fn offset(&self) -> i64 {
        let to_1970 = -i64::try_from(super::world::START_MS).unwrap_or(0);
        let to_2099 = 73 * 365 * DAY;
        let choices = [0, 0, 0, 0, 2000, -3000, 600_000, -600_000, DAY, -DAY, to_1970, to_2099];
        *self.random.pick(&choices)
    }

    fn crash(&self, device: usize) -> Event {
        Event::Crash { device, tab: self.tab(), operations: self.random.below(60) }
    }

    fn tokens(&self, device: usize) -> Event {
        Event::Tokens { device, signed_in: self.random.chance(700), fail: self.random.chance(300) }
    }

    fn deploy(&self) -> Event {
        let answers = (0..=self.random.below(3)).map(|_| *self.random.pick(&Interim::ALL)).collect();
        let ms = *self.random.pick(&[1_000, 1_000, 5_000, 5_000, 20_000, 20_000, 60_000, 300_000]);
        Event::Deploy { answers, ms, drains: self.random.chance(400) }
    }

    fn disaster(&mut self, device: usize) -> Event {
        let Disasters { restore, loss, cut } = self.disasters;
        match self.random.below(5) {
            0 if restore => Event::Backup,
            1 if restore => Event::Restore,
            2 if loss => Event::LoseDatabase { device },
            3 if cut => Event::CutPower { device, commits: usize::try_from(self.random.below(20)).unwrap_or(0) },
            _ => self.clash(),
        }
    }
}
