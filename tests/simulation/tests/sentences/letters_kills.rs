//! Retrying and discarding, killed at every storage operation: the record, the log and the letters agree, and the person
//! finds the letter, or what they asked for.

use super::letters::{agreed, cake, club, may_write, title};
use mana_simulation::calls::row;
use mana_simulation::{Device, World};
use mana_sync_engine::engine::Write;
use serde_json::{Value, json};

/// A refused edit of `t`, a refused insert of `n`, and changes of both that wait.
fn prepared() -> World {
    let world = club();
    let device = &world.devices[0];
    device.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    may_write(&world, false);
    device.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    device.transact(vec![("tasks", Write::Add(vec![row(cake("n"))]))]).expect("added");
    world.pass(10_000);
    for id in ["t", "n"] {
        device.update("tasks", id, json!({ "note": "later" })).expect("updated");
    }
    world.pass(10_000);
    for id in ["t", "n"] {
        device.update("tasks", id, json!({ "due": "in the log" })).expect("updated");
    }
    may_write(&world, true);
    world
}

fn letter_of(device: &Device, id: &str) -> Option<String> {
    device.dead_letters().into_iter().find(|letter| letter.changes[0].id == id).map(|letter| letter.id)
}

type Act = fn(&Device, &str) -> Option<mana_sync_engine::engine::Result<()>>;

/// Kills `act` on the letters of both records at every operation; then the person goes on where they were.
fn killed_everywhere(act: Act, check: fn(&World)) {
    let whole = prepared();
    let device = &whole.devices[0];
    let before = device.power().operations();
    for id in ["t", "n"] {
        act(device, &letter_of(device, id).expect("a letter")).expect("it lives").expect("done");
    }
    let all = device.power().operations() - before + 30;
    assert!(all > 40, "{all} operations");
    for kill in 0..all {
        let world = prepared();
        let device = &world.devices[0];
        device.power().fail_after(kill);
        let lives = ["t", "n"].iter().all(|id| {
            let letters = if device.power().is_out() { None } else { Some(()) };
            letters.is_some()
                && device.try_dead_letters().is_some_and(|letters| {
                    let found = letters.into_iter().find(|letter| letter.changes[0].id == *id);
                    found.is_none_or(|letter| act(device, &letter.id).is_some())
                })
        });
        if lives {
            world.pass(10_000);
        }
        device.restart();
        for id in ["t", "n"] {
            if let Some(letter) = letter_of(device, id) {
                act(device, &letter).expect("it lives").expect("done");
            }
        }
        agreed(&world);
        check(&world);
    }
}

#[test]
fn a_retry_killed_anywhere_sends_everything_in_the_end() {
    killed_everywhere(Device::try_retry_letter, |world| {
        let other = &world.devices[1];
        assert_eq!((title(other, "t"), title(other, "n")), (json!("Tart"), json!("Cake")));
        for id in ["t", "n"] {
            let row = other.stored("tasks", id);
            assert_eq!((&row["note"], &row["due"]), (&json!("later"), &json!("in the log")));
        }
    });
}

#[test]
fn a_discard_killed_anywhere_takes_back_what_was_discarded_and_nothing_else() {
    killed_everywhere(Device::try_discard_letter, |world| {
        for device in &world.devices {
            let row = device.stored("tasks", "t");
            assert_eq!(
                (&row["title"], &row["note"], &row["due"]),
                (&json!("Cake"), &json!("later"), &json!("in the log"))
            );
            assert_eq!(device.stored("tasks", "n"), Value::Null);
        }
    });
}
