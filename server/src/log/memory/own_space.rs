//! Own spaces in memory.

use super::{Kept, MemoryLog, State, Stream};
use crate::lock::hold;
use crate::log::{Caller, LogError, LogRow, OwnSpaces, RecordKey, Standing, StreamId};
use mana_sync_engine::model::{FieldName, SPACE_ID, SpaceId, personal_alias};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl OwnSpaces for MemoryLog {
    async fn own_space(&self, caller: &Caller) -> Result<Option<SpaceId>, LogError> {
        let state = self.present();
        Ok(state.own_spaces.iter().find(|(_, user)| **user == caller.user).map(|(space, _)| space.clone()))
    }

    async fn note_member(
        &self,
        caller: &Caller,
        spaces: &BTreeSet<SpaceId>,
    ) -> Result<BTreeMap<SpaceId, Standing>, LogError> {
        let _turn = self.writer.lock().await;
        let mut shared = hold(&self.state);
        let state = Arc::make_mut(&mut shared);
        let note = |space: &SpaceId| {
            let only = state.members.entry(space.clone()).or_insert_with(|| Some(caller.user.clone()));
            *only = only.take().filter(|user| *user == caller.user);
            let standing = match state.own_spaces.get(space) {
                Some(user) if *user != caller.user => Standing::Foreign,
                // One's own is never shared, whoever was seen in it: everybody else is asked about each time.
                None if only.is_none() => Standing::Shared,
                Some(_) | None => Standing::Alone,
            };
            (space.clone(), standing)
        };
        Ok(spaces.iter().map(note).collect())
    }

    async fn make_own(&self, caller: &Caller, space: &SpaceId) -> Result<bool, LogError> {
        let _turn = self.writer.lock().await;
        let mut shared = hold(&self.state);
        let state = Arc::make_mut(&mut shared);
        let from = StreamId::Space(space.clone());
        let is_taken = state.own_spaces.iter().any(|(known, user)| known == space || *user == caller.user);
        let foreign = |stream: &Stream| stream.rows.values().any(|kept| kept.row.user != caller.user);
        let others = state.members.get(space).is_some_and(|only| only.as_ref() != Some(&caller.user));
        if is_taken || others || state.streams.get(&from).is_some_and(foreign) {
            return Ok(false);
        }
        state.own_spaces.insert(space.clone(), caller.user.clone());
        state.move_stream(&from, caller)?;
        Ok(true)
    }
}

impl State {
    /// Moves rows and heads to the end of a person's own stream.
    fn move_stream(&mut self, from: &StreamId, caller: &Caller) -> Result<(), LogError> {
        let alias = SpaceId::parse(personal_alias(&caller.user))?;
        let field = FieldName::parse(SPACE_ID)?;
        let own = caller.own_stream();
        let rows = self.streams.remove(from).map(|stream| stream.rows).unwrap_or_default();
        let stream = self.streams.entry(own.clone()).or_default();
        let used = self.used.entry(caller.user.clone()).or_default();
        for Kept { row, bytes: before } in rows.into_values().map(Arc::unwrap_or_clone) {
            let mut row = LogRow { stream: own.clone(), pos: stream.pos() + 1, ..row };
            row.change.space_id = Some(alias.clone());
            if let Some(edit) = row.change.fields.get_mut(&field).filter(|edit| edit.value.is_string()) {
                edit.value = alias.as_str().into();
            }
            let bytes = row.change.to_json().to_string().len();
            *used = (*used + bytes as u64).saturating_sub(before as u64);
            stream.rows.insert(row.pos, Arc::new(Kept { row, bytes }));
        }
        let moved: Vec<RecordKey> = self.heads.keys().filter(|key| key.stream == *from).cloned().collect();
        for key in moved {
            let Some(head) = self.heads.remove(&key) else { continue };
            let head = match self.heads.remove(&RecordKey { stream: own.clone(), ..key.clone() }) {
                Some(known) => head.joined(known),
                None => head,
            };
            self.heads.insert(RecordKey { stream: own.clone(), ..key }, head);
        }
        Ok(())
    }
}
