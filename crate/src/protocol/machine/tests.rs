//! The machine under any inputs at all, in any order, also those that cannot come: what each phase waits for is under way.

use super::*;
use crate::protocol::reply::Settlement;
use crate::protocol::wire::ExpiryReason;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_767_225_600_000;
const AT: &str = "2026-01-01T00:00:00.000Z";

type Answer = Result<Response, NoAnswer>;

fn event(n: u8) -> EventId {
    EventId::from_parts(u64::from(n), &[n; 10])
}

fn events() -> impl Strategy<Value = OrderedSet<EventId>> {
    prop::collection::vec((1u8..4).prop_map(event), 0..4).prop_map(OrderedSet::from_iter)
}

fn accepts(accepted: &OrderedSet<EventId>) -> Value {
    let accepted: Vec<&EventId> = accepted.iter().collect();
    json!({ "protocol": 2, "accepted": accepted, "rejected": [], "serverTime": AT })
}

fn page(more: bool) -> Value {
    json!({ "protocol": 2, "changes": [{}], "cursor": "c", "hasMore": more, "serverTime": AT, "spaces": [], "spacesAsOf": AT })
}

fn error(code: &str) -> Value {
    json!({ "protocol": 2, "code": code, "message": "", "reason": "restored" })
}

/// Answers of this protocol, of others, and of strangers.
fn answers() -> impl Strategy<Value = Answer> {
    let health = json!({ "status": "ok", "service": "mana-sync", "protocol": 2, "timestamp": AT });
    let statuses = prop::sample::select(vec![200u16, 400, 401, 402, 404, 410, 413, 429, 500]);
    let refusals = prop::sample::select(vec![
        error("cursor_expired"),
        error("too_large"),
        error("no_room"),
        json!({}),
        json!("<p>"),
    ]);
    let asked = prop::option::of(any::<u64>());
    prop_oneof![
        4 => events().prop_map(|ids| reply(200, &accepts(&ids), None)),
        3 => any::<bool>().prop_map(|more| reply(200, &page(more), None)),
        2 => Just(reply(200, &health, None)),
        2 => Just(reply(410, &error("cursor_expired"), None)),
        4 => (statuses, refusals, asked).prop_map(|(status, body, asked)| reply(status, &body, asked)),
        1 => Just(Err(NoAnswer("no network".into()))),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "an answer among others, some of which never come")]
fn reply(status: u16, body: &Value, retry_after_ms: Option<u64>) -> Answer {
    Ok(Response { status, content_type: "application/json".into(), retry_after_ms, body: body.to_string() })
}

fn inputs() -> impl Strategy<Value = Input> {
    let settled = prop::sample::select(vec![SettledAs::Done, SettledAs::Again, SettledAs::UpdateRequired]);
    prop_oneof![
        20 => prop::sample::select(vec![Input::Nudge, Input::Nudge, Input::Nudge, Input::Logged]),
        4 => prop::sample::select(vec![Input::Start, Input::SyncNow, Input::Woken, Input::Logged, Input::Nudge, Input::Timer]),
        1 => prop::sample::select(vec![Input::Stop, Input::ClockUnknown, Input::TokenRefused, Input::TokenFailed(String::new())]),
        4 => prop::bool::weighted(0.9).prop_map(Input::Token),
        4 => (answers(), 0..2 * NOW).prop_map(|(answer, asked_at)| Input::Time(answer, asked_at)),
        8 => events().prop_map(Input::Frozen),
        8 => answers().prop_map(Input::Pushed),
        8 => answers().prop_map(Input::Pulled),
        4 => settled.prop_map(Input::Settled),
        8 => prop::sample::select(vec![Input::ClockSettled, Input::Applied, Input::Overtaken, Input::RebaseStep]),
        1 => any::<bool>().prop_map(|full| Input::StorageFailed { code: String::new(), message: String::new(), full }),
    ]
}

/// An input, the answer that would fit the phase among them, so that long ways are gone.
fn fitting(phase: &Phase, input: Input) -> Input {
    match (phase, input) {
        (Phase::Pushing(sent), Input::Nudge) => Input::Pushed(reply(200, &accepts(sent), None)),
        (Phase::Pushing(_), Input::Timer) => Input::Pushed(reply(413, &json!({}), None)),
        (Phase::Token, Input::Nudge) => Input::Token(true),
        (Phase::Freezing, Input::Nudge) => Input::Frozen(OrderedSet::from_iter([event(1)])),
        (Phase::Pushing(_), Input::Logged) => Input::Pushed(reply(403, &error("no_room"), None)),
        (Phase::Settling, Input::Nudge) => Input::Settled(SettledAs::Done),
        (Phase::Pulling, Input::Nudge) => Input::Pulled(reply(200, &page(false), None)),
        (Phase::Pulling, Input::Logged) => Input::Pulled(reply(401, &json!({}), None)),
        (Phase::Applying { .. }, Input::Nudge) => Input::Applied,
        (Phase::Rebasing | Phase::Ending, Input::Nudge) => Input::RebaseStep,
        (_, input) => input,
    }
}

/// Whether an effect is what the machine waits for in a phase.
fn is_awaited(phase: &Phase, effect: &Effect) -> bool {
    match phase {
        Phase::Stopped => matches!(effect, Effect::Status(State::Local, _)),
        Phase::Resting { .. } => matches!(effect, Effect::WakeAt(_)),
        Phase::Token => matches!(effect, Effect::GetToken(_)),
        Phase::Asking => matches!(effect, Effect::AskTime),
        Phase::SettlingClock => matches!(effect, Effect::SettleClock { .. }),
        Phase::Freezing => matches!(effect, Effect::Freeze | Effect::FreezePart(_)),
        Phase::Pushing(_) => matches!(effect, Effect::Push),
        Phase::Settling => matches!(effect, Effect::Settle(_)),
        Phase::Pulling => matches!(effect, Effect::Pull),
        Phase::Applying { .. } => matches!(effect, Effect::Apply(_)),
        Phase::Rebasing => matches!(effect, Effect::BeginRebase(_)),
        Phase::Ending => matches!(effect, Effect::EndRebase),
        Phase::Blocked => {
            matches!(effect, Effect::Status(State::NeedsAuth | State::BillingRequired | State::UpdateRequired, _))
        }
    }
}

/// What a settlement names, if it names nothing twice.
fn named(settlement: &Settlement) -> Option<OrderedSet<EventId>> {
    let rejected = settlement.rejected.iter().map(|rejection| EventId::parse(rejection.event_id.as_str()).unwrap());
    let all: OrderedSet<EventId> = settlement.accepted.iter().cloned().chain(rejected).collect();
    (all.len() == settlement.accepted.len() + settlement.rejected.len()).then_some(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// The last effect that is awaited fits the phase: an exchange is under way, or a wake-up is asked for, or somebody
    /// has to act. A machine of which that is not so would stand still for ever.
    #[test]
    fn what_it_waits_for_is_always_under_way(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..150)) {
        let mut machine = Machine::default();
        let mut awaited = Effect::Status(State::Local, None);
        for (input, random) in inputs {
            let input = fitting(&machine.phase, input);
            let effects = machine.step(input.clone(), NOW, random);
            if let Some(last) = effects.into_iter().rfind(|effect| *effect != Effect::RoundDone) {
                awaited = last;
            }
            prop_assert!(is_awaited(&machine.phase, &awaited), "{input:?} led to {:?} after {awaited:?}", machine.phase);
        }
    }

    #[test]
    fn nothing_is_settled_but_what_an_answer_to_the_present_batch_names(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..150)) {
        let mut machine = Machine::default();
        for (input, random) in inputs {
            let (before, part) = (machine.phase.clone(), machine.part());
            let input = fitting(&before, input);
            for effect in machine.step(input.clone(), NOW, random) {
                let Effect::Settle(settlement) = effect else { continue };
                let Phase::Pushing(sent) = &before else { return Err(TestCaseError::fail(format!("settled in {before:?}"))) };
                let Input::Pushed(Ok(response)) = &input else { return Err(TestCaseError::fail(format!("by {input:?}"))) };
                // What is set aside without word of the server was sent alone.
                prop_assert!(response.body.contains("\"protocol\":2") || part == Some(Part::First(1)));
                prop_assert_eq!(named(&settlement), Some(sent.clone()));
            }
        }
    }

    #[test]
    fn an_input_that_answers_nothing_under_way_changes_nothing(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..80), stray in answers()) {
        let mut machine = Machine::default();
        for (input, random) in inputs {
            let input = fitting(&machine.phase, input);
            machine.step(input, NOW, random);
            let before = format!("{machine:?}");
            if !matches!(machine.phase, Phase::Pushing(_)) {
                prop_assert_eq!(machine.step(Input::Pushed(stray.clone()), NOW, random), []);
            }
            if machine.phase != Phase::Pulling {
                prop_assert_eq!(machine.step(Input::Pulled(stray.clone()), NOW, random), []);
            }
            if machine.phase != Phase::Settling {
                prop_assert_eq!(machine.step(Input::Settled(SettledAs::Done), NOW, random), []);
            }
            prop_assert_eq!(format!("{machine:?}"), before);
        }
    }

    #[test]
    fn no_wake_up_is_further_away_than_ten_minutes(inputs in prop::collection::vec((inputs(), any::<u64>(), 0u64..400), 0..150)) {
        let mut machine = Machine::default();
        let mut now = NOW;
        for (input, random, passed) in inputs {
            now += passed;
            for effect in machine.step(fitting(&machine.phase, input), now, random) {
                if let Effect::WakeAt(at) = effect {
                    prop_assert!(at <= now + 600_000, "{at} at {now}");
                }
            }
        }
    }

    /// Only the typed answer to a pull makes everything be read anew.
    #[test]
    fn nothing_begins_a_re_base_but_a_typed_answer_to_a_pull(inputs in prop::collection::vec((inputs(), any::<u64>()), 0..80)) {
        let mut machine = Machine::default();
        for (input, random) in inputs {
            let before = machine.phase.clone();
            let input = fitting(&before, input);
            let effects = machine.step(input.clone(), NOW, random);
            if effects.contains(&Effect::BeginRebase(ExpiryReason::Restored)) {
                let Input::Pulled(Ok(response)) = input else { return Err(TestCaseError::fail(format!("by {input:?}"))) };
                prop_assert!(before == Phase::Pulling && response.status == 410 && response.body.contains("\"protocol\":2"));
            }
        }
    }
}
