//! Spaces that the user is a member of no more, as the server says.
//!
//! A list that lacks a space may be a mistake of a moment, and what is deleted here may be nowhere else. So a space that
//! the server named before and does not name now is hidden at once, and deleted when an answer at least a minute later
//! says the same. What the server does not have, and what is the user's alone there, stays for thirty days.

use super::error::Result;
use super::events::{Event, Kept as KeptRow};
use super::letters::{self, Letter};
use super::outbox::{self, Unsent};
use super::ports::Host;
use super::sealing::visibility_of;
use super::spaces::{self, Kept};
use super::{Engine, Touched, rows};
use crate::model::{AUTHOR_ID, ID, OWN, OrderedSet, Origin, SPACE_ID, Scope, Space, TableSync, Visibility};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, Scan, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// How long a space is not named before it is deleted, in milliseconds.
const SURE_AFTER_MS: u64 = 60_000;
/// How long what is kept of it is, in milliseconds.
const KEPT_FOR_MS: u64 = 30 * 86_400_000;

/// What an answer's list of spaces means.
#[derive(Default)]
struct Meaning {
    /// To be deleted now.
    gone: Vec<String>,
    /// Of which the rest is to be deleted now.
    forgotten: Vec<String>,
    changed: bool,
}

impl Kept {
    /// Takes note of an answer's list at `now`. Spaces that are `own` are the user's whatever it says.
    fn note(&mut self, list: &[Space], now: u64, own: impl Fn(&str) -> bool) -> Meaning {
        let mut meaning = Meaning::default();
        // One's own is nobody's to take back, whatever is known of it at the moment.
        for space in list.iter().filter(|space| !space.is_personal()) {
            let id = space.id.as_str();
            meaning.changed |= self.named.insert(id.to_owned(), Value::Null) != Some(Value::Null);
            meaning.changed |= self.left.remove(id).is_some();
        }
        let is_named = |id: &str| list.iter().any(|space| space.id.as_str() == id);
        let pinned = &self.pinned;
        let is_own = |id: &str| own(id) || pinned.get(id).is_some_and(|kind| kind == Space::PERSONAL);
        for (id, since) in self.named.iter_mut().filter(|(id, _)| !is_named(id) && !is_own(id)) {
            match since.as_u64() {
                Some(since) if now.saturating_sub(since) >= SURE_AFTER_MS => {
                    if !self.left.contains_key(id) {
                        self.left.insert(id.clone(), now.into());
                        meaning.gone.push(id.clone());
                    }
                }
                // The clock was set back.
                Some(since) if since <= now => {}
                _ => {
                    *since = now.into();
                    meaning.changed = true;
                }
            }
        }
        let is_over = |at: &Value| at.as_u64().is_some_and(|at| now.saturating_sub(at) >= KEPT_FOR_MS);
        meaning.forgotten = self.left.iter().filter(|(_, at)| is_over(at)).map(|(id, _)| id.clone()).collect();
        for id in &meaning.forgotten {
            self.left.remove(id);
            self.named.remove(id);
        }
        meaning.changed |= !meaning.gone.is_empty() || !meaning.forgotten.is_empty();
        meaning
    }
}

/// The spaces that the server brings nothing of: those that were left, of which something may be kept, and those that it
/// does not name just now, which may be a mistake.
pub async fn away<Tx: Transaction>(tx: &Tx, user: &str) -> Result<OrderedSet<String>> {
    let kept = spaces::read(tx, user).await?;
    let doubtful = kept.named.into_iter().filter(|(_, since)| !since.is_null());
    Ok(kept.left.into_iter().chain(doubtful).map(|(id, _)| id).collect())
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes note of the spaces that an answer of the server names.
    pub(super) async fn note_memberships(self: &Rc<Self>, list: &[Space]) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tables = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([ENGINE, CHANGE_LOG]).collect();
        let (is_news, letters) = self.reads_news(list, &user).await?;
        self.retry_named(&letters, list).await?;
        if !is_news {
            return Ok(());
        }
        let tx = self.store.begin(Mode::Write, &stores)?;
        self.check_lead(&tx).await?;
        let mut kept = spaces::read(&tx, &user).await?;
        let meaning = {
            let config = self.config();
            kept.note(list, self.host.now_ms(), |id| config.is_own_space(id))
        };
        let (mut touched, mut told) = (Vec::new(), Vec::new());
        for space in &meaning.gone {
            let (removed, stays) = self.remove_space(&tx, &tables, space, true).await?;
            told.push(Event::SpaceRemoved { space: space.clone(), removed: removed.len(), kept: stays });
            touched.extend(removed);
        }
        let mut released = 0;
        for space in &meaning.forgotten {
            released += self.forget_letters(&tx, &user, space).await?;
            touched.extend(self.remove_space(&tx, &tables, space, false).await?.0);
        }
        rows::write(&tx, rows::SPACES, &user, kept.clone())?;
        tx.commit().await?;
        self.show_spaces(&kept);
        self.committed(&touched, Origin::ServerReplay, released);
        for event in told {
            self.emit(event);
        }
        Ok(())
    }

    /// Whether there is anything to write; most answers say what the last one said. Beside it the user's dead letters.
    async fn reads_news(&self, list: &[Space], user: &str) -> Result<(bool, Vec<Letter>)> {
        if self.config().user.is_none() {
            return Ok((false, Vec::new()));
        }
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let (kept, letters) = futures_util::future::join(spaces::read(&tx, user), letters::read(&tx, user)).await;
        let config = self.config();
        let news = kept?.note(list, self.host.now_ms(), |id| config.is_own_space(id));
        Ok((news.changed, letters?))
    }

    /// Deletes the rows of a space, with what waits for them, but for those of dead letters that are left; where it `keeps`,
    /// also but for what is the user's alone and what the server does not have.
    async fn remove_space(
        &self,
        tx: &S::Tx,
        tables: &[String],
        space: &str,
        keeps: bool,
    ) -> Result<(Vec<Touched<S::Row>>, Vec<KeptRow>)> {
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        let unsent = outbox::unsent(tx, |_| true).await?;
        let letters: Vec<(String, Value)> = rows::read_all(tx, rows::LETTER).await?;
        let waiting: Vec<(String, Value)> = rows::read_all(tx, rows::WAITING).await?;
        let letters: Vec<Value> = letters.into_iter().chain(waiting).map(|(_, one)| one).collect();
        for table in tables {
            let info = self.config().table(table)?;
            let Some(sync) = info.sync.as_ref().filter(|sync| sync.scope == Scope::Space) else { continue };
            let is_of = |row: &S::Row| row.text(SPACE_ID).as_deref() == Some(space);
            for row in tx.scan(table, &Scan::default(), &is_of).await? {
                let id = row.text(ID).unwrap_or_default();
                let why = if keeps {
                    self.why_kept(sync, &row, &id, &unsent, &letters)
                } else {
                    is_told_of(&letters, sync, &id).then_some("unsent")
                };
                if let Some(why) = why {
                    kept.push(KeptRow { table: table.clone(), id, why });
                    continue;
                }
                let key = Key::Text(id);
                tx.delete(table, &key)?;
                removed.push(Touched { table: table.clone(), key, old: Some(row), new: None, fields: Vec::new() });
            }
        }
        let is_gone = |unseen: &Value| {
            let is_it = |one: &Touched<S::Row>| {
                unseen["table"] == one.table && Some(&one.key) == unseen["id"].as_str().map(Key::text).as_ref()
            };
            removed.iter().any(is_it)
        };
        forget(tx, rows::UNSEEN, is_gone).await?;
        forget(tx, rows::QUARANTINE, |held| held["change"]["spaceId"] == *space).await?;
        forget(tx, rows::PARKED, |parked| parked["space"] == *space).await?;
        Ok((removed, kept))
    }

    fn why_kept(
        &self,
        sync: &TableSync,
        row: &S::Row,
        id: &str,
        unsent: &Unsent,
        letters: &[Value],
    ) -> Option<&'static str> {
        if unsent.has_record(sync.sync_name.as_str(), id) || is_told_of(letters, sync, id) {
            return Some("unsent");
        }
        let is_mine = row.text(AUTHOR_ID).as_deref() == Some(self.config().user_id());
        let is_private = visibility_of(row) == Visibility::Private;
        // What was the user's alone once is so whatever its visibility says: that came from outside.
        (is_mine && (is_private || row.get(OWN).is_some())).then_some("private")
    }
}

/// Whether a record is told of by a dead letter, or by what waits behind one.
fn is_told_of(letters: &[Value], sync: &TableSync, id: &str) -> bool {
    let is_of = |letter: &Value| {
        let parked = letter["row"]["changes"].as_array().into_iter().flatten();
        letter["row"]["appId"] == sync.app.as_str()
            && parked
                .chain([&letter["change"]])
                .any(|change| change["table"] == sync.sync_name.as_str() && change["id"] == *id)
    };
    letters.iter().any(is_of)
}

async fn forget<Tx: Transaction>(tx: &Tx, kind: &str, is_of: impl Fn(&Value) -> bool) -> Result<()> {
    for (key, row) in rows::read_all::<_, Value>(tx, kind).await? {
        if is_of(&row) {
            rows::remove(tx, kind, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpaceId;

    fn list(ids: &[&str]) -> Vec<Space> {
        let space = |id: &&str| Space { id: SpaceId::parse(*id).expect("an id"), kind: None, role: None };
        ids.iter().map(space).collect()
    }

    fn note(kept: &mut Kept, ids: &[&str], now: u64) -> (Vec<String>, Vec<String>) {
        let meaning = kept.note(&list(ids), now, |id| id == "own");
        (meaning.gone, meaning.forgotten)
    }

    #[test]
    fn a_space_of_ones_own_never_goes() {
        let mut kept = Kept::default();
        let personal = Some(Space::PERSONAL.to_owned());
        let home = vec![Space { id: SpaceId::parse("home").expect("an id"), kind: personal, role: None }];
        kept.note(&home, 0, |_| false);
        assert_eq!((note(&mut kept, &[], 1_000), note(&mut kept, &[], 90_000)), Default::default());
        // Neither does one that was only learnt to be so later.
        assert_eq!(note(&mut kept, &["home"], 100_000), Default::default());
        kept.pinned.insert("home".to_owned(), Space::PERSONAL.into());
        assert_eq!((note(&mut kept, &[], 101_000), note(&mut kept, &[], 190_000)), Default::default());
    }

    #[test]
    fn a_space_goes_when_two_answers_a_minute_apart_lack_it_and_one_before_named_it() {
        let nothing = (Vec::new(), Vec::new());
        let gone = (vec!["club".to_owned()], Vec::new());
        let mut kept = Kept::default();
        assert_eq!(note(&mut kept, &["club", "own"], 0), nothing);
        assert_eq!(note(&mut kept, &[], 1_000), nothing);
        assert_eq!(note(&mut kept, &[], 60_999), nothing);
        assert_eq!(note(&mut kept, &["club"], 61_000), nothing, "it is there again");
        assert_eq!(note(&mut kept, &[], 62_000), nothing);
        assert_eq!(note(&mut kept, &[], 30_000), nothing, "the clock was set back");
        assert_eq!(note(&mut kept, &[], 89_999), nothing);
        assert_eq!(note(&mut kept, &[], 90_000), gone);
        assert_eq!(note(&mut kept, &[], 91_000), nothing, "once");
        let month = 30 * 86_400_000;
        assert_eq!(note(&mut kept, &[], 90_000 + month - 1), nothing);
        assert_eq!(note(&mut kept, &[], 90_000 + month), (Vec::new(), vec!["club".to_owned()]));
        assert_eq!(note(&mut kept, &[], 90_001 + 2 * month), nothing);
    }
}
