//! The machine under inputs at random.

use crate::answers::{Answer, NOW, accepted, event, expired, health, html, offline, page, reply};
use mana_sync_engine::model::OrderedSet;
use mana_sync_engine::protocol::machine::{Effect, Input, Machine, SettledAs};
use mana_sync_engine::protocol::state::State;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

fn answers() -> impl Strategy<Value = Answer> {
    let ids = BTreeSet::from([event(1), event(2)]).into_iter().collect::<Vec<_>>();
    prop::sample::select(vec![
        accepted(&ids),
        accepted(&ids[..1]),
        page(true),
        page(false),
        expired(410, 2),
        html(410),
        offline(),
        html(200),
        html(401),
        html(402),
        html(429),
        html(500),
        health(0),
        health(1000),
        health(86_400_000),
        reply(400, &json!({ "protocol": 2, "code": "invalid_request", "message": "" })),
        reply(200, &json!({ "protocol": 2 })),
    ])
}

fn inputs() -> impl Strategy<Value = Input> {
    let ids = prop::collection::vec((1u8..3).prop_map(event), 0..3).prop_map(OrderedSet::from_iter);
    prop_oneof![
        4 => Just(Input::Start), 1 => Just(Input::Stop), 2 => Just(Input::SyncNow), 2 => Just(Input::Logged),
        2 => Just(Input::Nudge), 3 => Just(Input::Timer), 6 => any::<bool>().prop_map(Input::Token),
        6 => answers().prop_map(|answer| Input::Time(answer, NOW)), 6 => Just(Input::ClockSettled),
        8 => ids.prop_map(Input::Frozen), 2 => Just(Input::ClockUnknown), 8 => answers().prop_map(Input::Pushed),
        6 => prop::sample::select(vec![SettledAs::Done, SettledAs::Again, SettledAs::UpdateRequired]).prop_map(Input::Settled),
        8 => answers().prop_map(Input::Pulled), 6 => Just(Input::Applied), 6 => Just(Input::RebaseStep),
        1 => any::<bool>().prop_map(|full| Input::StorageFailed { code: String::new(), message: String::new(), full }),
    ]
}

/// What the machine waits for, as its effects say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// For somebody to act.
    Idle,
    /// For an effect's answer.
    Answer,
    /// For its timer.
    Timer,
}

fn waits_after(before: Waits, effects: &[Effect]) -> Waits {
    effects.iter().fold(before, |waits, effect| match effect {
        Effect::WakeAt(_) => Waits::Timer,
        Effect::Status(State::Local | State::NeedsAuth | State::BillingRequired | State::UpdateRequired, _) => {
            Waits::Idle
        }
        Effect::Status(..) | Effect::RoundDone => waits,
        _ => Waits::Answer,
    })
}

/// Whether an input is the answer to an effect.
fn answers_to(input: &Input, effect: &Effect) -> bool {
    match input {
        Input::Token(_) => matches!(effect, Effect::GetToken(_)),
        Input::Time(..) => matches!(effect, Effect::AskTime),
        Input::ClockSettled => matches!(effect, Effect::SettleClock { .. }),
        Input::Frozen(_) => matches!(effect, Effect::Freeze),
        Input::ClockUnknown => matches!(effect, Effect::Freeze | Effect::Apply(_)),
        Input::Pushed(_) => matches!(effect, Effect::Push),
        Input::Settled(_) => matches!(effect, Effect::Settle(_)),
        Input::Pulled(_) => matches!(effect, Effect::Pull),
        Input::Applied => matches!(effect, Effect::Apply(_)),
        Input::RebaseStep => matches!(effect, Effect::BeginRebase(_) | Effect::EndRebase),
        Input::StorageFailed { .. } => !matches!(effect, Effect::GetToken(_) | Effect::AskTime | Effect::Push),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any inputs at all, in any order.
    #[test]
    fn no_inputs_make_it_panic_or_start_two_exchanges(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..80)) {
        let mut machine = Machine::default();
        for (input, random) in inputs {
            let effects = machine.step(input, NOW, random);
            let exchanges = effects.iter().filter(|effect| waits_after(Waits::Idle, &[(*effect).clone()]) == Waits::Answer);
            prop_assert!(exchanges.count() <= 1, "{effects:?}");
        }
    }

    /// Only inputs that can come: answers to the effect under way, and what people and timers do.
    #[test]
    fn it_always_has_something_to_wait_for(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..200)) {
        let mut machine = Machine::default();
        machine.step(Input::Start, NOW, 0);
        let mut under_way = vec![Effect::GetToken(false)];
        let mut waits = Waits::Answer;
        let mut stopped = false;
        for (input, random) in inputs {
            let is_answer = !matches!(input, Input::Start | Input::Stop | Input::SyncNow | Input::Logged | Input::Nudge | Input::Timer);
            if is_answer && !under_way.iter().any(|effect| answers_to(&input, effect)) {
                continue;
            }
            if matches!(input, Input::Timer) && waits != Waits::Timer {
                continue;
            }
            if is_answer {
                under_way.clear();
            }
            let timer_rang = matches!(input, Input::Timer);
            let (stops, starts) = (matches!(input, Input::Stop), matches!(input, Input::Start));
            let effects = machine.step(input.clone(), NOW, random);
            let before = if is_answer || timer_rang { Waits::Idle } else { waits };
            waits = waits_after(before, &effects);
            stopped = stops || (stopped && !starts);
            if stops {
                under_way.clear();
            }
            under_way.extend(effects.iter().filter(|e| waits_after(Waits::Idle, &[(*e).clone()]) == Waits::Answer).cloned());
            let blocked = effects.iter().any(|e| matches!(e, Effect::Status(State::NeedsAuth | State::BillingRequired | State::UpdateRequired, _)));
            prop_assert!(under_way.len() <= 1, "one exchange at a time: {under_way:?}");
            let idle_is_right = stopped || blocked || (!is_answer && !timer_rang && before == Waits::Idle);
            prop_assert!(waits != Waits::Idle || idle_is_right, "after {input:?}: {effects:?}");
        }
    }
}
