//! The sync machine: every answer leads where the protocol says, and no sequence of inputs makes it panic or leaves it
//! with nothing to wait for.

#![cfg(not(target_arch = "wasm32"))]

mod answers;
mod patience;
mod random;

use answers::{NOW, accepted, event, expired, health, html, offline, page, reply};
use mana_sync_engine::model::OrderedSet;
use mana_sync_engine::protocol::http::Response;
use mana_sync_engine::protocol::machine::{Effect, Input, Machine, Part, SettledAs};
use mana_sync_engine::protocol::state::State;
use mana_sync_engine::protocol::wire::ExpiryReason;
use serde_json::json;

/// A machine with its last effects.
#[derive(Default)]
struct Run {
    machine: Machine,
    effects: Vec<Effect>,
    now: u64,
}

impl Run {
    fn new() -> Self {
        Self { now: NOW, ..Self::default() }
    }

    fn feed(&mut self, input: Input) -> &mut Self {
        self.effects = self.machine.step(input, self.now, 1 << 40);
        self
    }

    fn feed_all(&mut self, inputs: impl IntoIterator<Item = Input>) -> &mut Self {
        for input in inputs {
            self.feed(input);
        }
        self
    }

    fn has(&self, effect: &Effect) -> bool {
        self.effects.contains(effect)
    }

    fn shows(&self) -> Option<State> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Status(state, _) => Some(*state),
            _ => None,
        })
    }

    /// When it is tried again, as is shown.
    fn retry_at(&self) -> Option<u64> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Status(_, Some(problem)) => problem.retry_at,
            _ => None,
        })
    }

    fn wakes_at(&self) -> Option<u64> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::WakeAt(at) => Some(*at),
            _ => None,
        })
    }

    /// Started, with a token and an empty log: about to pull.
    fn pulling() -> Self {
        let mut run = Self::new();
        run.feed_all([Input::Start, Input::Token(true), Input::Frozen(OrderedSet::new())]);
        assert!(run.has(&Effect::Pull));
        run
    }

    /// Started, with a token and one frozen change: about to push it.
    fn pushing() -> Self {
        let mut run = Self::new();
        run.feed_all([Input::Start, Input::Token(true), Input::Frozen(OrderedSet::from([event(1)]))]);
        assert!(run.has(&Effect::Push));
        run
    }

    /// At rest after a round.
    fn resting() -> Self {
        let mut run = Self::pulling();
        run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
        assert!(run.has(&Effect::RoundDone));
        run
    }
}

#[test]
fn a_round_pushes_until_the_log_is_empty_then_pulls_while_there_is_more() {
    let mut run = Run::pushing();
    assert!(matches!(run.feed(Input::Pushed(accepted(&[event(1)]))).effects[..], [Effect::Settle(_)]));
    assert_eq!(run.feed(Input::Settled(SettledAs::Done)).effects, [Effect::Freeze]);
    assert_eq!(run.feed(Input::Frozen(OrderedSet::new())).effects, [Effect::Pull]);
    assert!(matches!(run.feed(Input::Pulled(page(true))).effects[..], [Effect::Apply(_)]));
    assert_eq!(run.feed(Input::Applied).effects, [Effect::Pull]);
    run.feed_all([Input::Pulled(page(false)), Input::Applied]);
    assert_eq!(run.effects, [Effect::EndRebase]);
    run.feed(Input::RebaseStep);
    assert_eq!(run.shows(), Some(State::Synced));
    assert_eq!(run.wakes_at(), Some(NOW + 30_000));
}

#[test]
fn one_refused_token_is_refreshed_and_a_second_one_needs_the_user() {
    let mut run = Run::pulling();
    assert_eq!(run.feed(Input::Pulled(html(401))).effects, [Effect::GetToken(true)]);
    run.feed_all([Input::Token(true), Input::Frozen(OrderedSet::new())]);
    assert_eq!(run.effects, [Effect::Pull], "the same page again");
    assert_eq!(run.feed(Input::Pulled(html(401))).shows(), Some(State::NeedsAuth));
    assert_eq!(run.wakes_at(), None);
    assert_eq!(run.feed(Input::Nudge).effects, [], "hints do not wake it");
    assert!(run.feed(Input::SyncNow).has(&Effect::GetToken(true)));
}

#[test]
fn a_token_that_was_good_in_between_may_be_refused_again() {
    let mut run = Run::pulling();
    run.feed_all([Input::Pulled(html(401)), Input::Token(true), Input::Frozen(OrderedSet::new())]);
    run.feed_all([Input::Pulled(page(true)), Input::Applied, Input::Pulled(html(401))]);
    assert_eq!(run.effects, [Effect::GetToken(true)]);
}

#[test]
fn a_token_refused_on_a_connection_is_replaced_once_by_the_next_round() {
    let mut resting = Run::pulling();
    resting.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(resting.feed(Input::TokenRefused).has(&Effect::GetToken(true)));
    resting.feed_all([Input::TokenRefused, Input::Token(true), Input::Frozen(OrderedSet::new())]);
    assert_eq!(resting.effects, [Effect::Pull], "what was said while it was replaced is about the old one");
    resting.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(resting.feed(Input::Nudge).has(&Effect::Freeze));

    let mut failed = Run::pulling();
    failed.feed(Input::Pulled(offline()));
    assert_eq!(failed.feed(Input::TokenRefused).effects, [], "a wait goes on");
    assert!(failed.feed(Input::Timer).has(&Effect::GetToken(true)));
}

#[test]
fn a_token_refused_on_a_connection_and_in_the_exchange_under_way_is_replaced_once() {
    let mut run = Run::pulling();
    assert_eq!(run.feed(Input::TokenRefused).effects, []);
    assert_eq!(run.feed(Input::Pulled(html(401))).effects, [Effect::GetToken(true)]);
    run.feed_all([Input::Token(true), Input::Frozen(OrderedSet::new()), Input::Pulled(page(false)), Input::Applied]);
    run.feed(Input::RebaseStep);
    assert!(run.feed(Input::SyncNow).has(&Effect::Freeze), "the second token is not doubted");
}

#[test]
fn without_a_token_the_user_is_needed() {
    let mut run = Run::new();
    run.feed_all([Input::Start, Input::Token(false)]);
    assert_eq!(run.shows(), Some(State::NeedsAuth));
}

#[test]
fn an_unpaid_account_stops_until_the_app_says_so() {
    let mut run = Run::pushing();
    run.feed(Input::Pushed(reply(402, &json!({ "error": "sync_inactive", "message": "" }))));
    assert_eq!((run.shows(), run.wakes_at()), (Some(State::BillingRequired), None));
    assert!(run.feed(Input::SyncNow).has(&Effect::GetToken(false)));
}

#[test]
fn what_is_no_answer_waits_and_starts_over() {
    let cut = Ok(Response { body: "{\"protocol\":2,".into(), ..accepted(&[event(1)]).unwrap() });
    for (answer, shown) in [
        (offline(), State::Offline),
        (html(200), State::Error),
        (html(404), State::Error),
        (html(410), State::Error),
        (cut, State::Error),
        (accepted(&[]), State::Error),
        (accepted(&[event(2)]), State::Error),
        (reply(200, &json!({ "protocol": 3 })), State::Error),
    ] {
        let mut run = Run::pushing();
        assert_eq!(run.feed(Input::Pushed(answer.clone())).shows(), Some(shown), "{answer:?}");
        assert!(run.wakes_at().is_some_and(|at| at <= NOW + 500), "{answer:?}");
        assert_eq!(run.feed(Input::Nudge).effects, [], "a hint does not cut the wait short");
        assert!(run.feed(Input::Timer).has(&Effect::Freeze));
    }
}

#[test]
fn where_the_server_fails_at_a_push_others_are_heard_of_before_it_waits() {
    let mut run = Run::pushing();
    assert_eq!(run.feed(Input::Pushed(html(500))).effects, [Effect::Pull]);
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert_eq!(run.shows(), Some(State::Error));
    assert!(run.wakes_at().is_some() && run.feed(Input::Timer).has(&Effect::Freeze));
}

#[test]
fn waits_grow_and_a_success_ends_them() {
    let mut run = Run::pulling();
    let mut longest = 0;
    for _ in 0..12 {
        run.feed(Input::Pulled(offline()));
        longest = run.wakes_at().expect("it is tried again") - NOW;
        run.feed_all([Input::Timer, Input::Frozen(OrderedSet::new())]);
    }
    assert!(longest > 4000, "{longest}");
    run.feed_all([Input::Pulled(page(true)), Input::Applied, Input::Pulled(offline())]);
    assert!(run.wakes_at().is_some_and(|at| at <= NOW + 500));
}

#[test]
fn retry_after_is_respected() {
    let mut run = Run::pulling();
    run.feed(Input::Pulled(html(503).map(|answer| Response { retry_after_ms: Some(7000), ..answer })));
    assert!(run.wakes_at().is_some_and(|at| at >= NOW + 7000));
}

#[test]
fn only_a_typed_answer_to_a_pull_expires_the_cursor() {
    let mut run = Run::pulling();
    assert_eq!(run.feed(Input::Pulled(expired(410, 2))).effects, [Effect::BeginRebase(ExpiryReason::Restored)]);
    assert_eq!(run.feed(Input::RebaseStep).effects, [Effect::Pull]);
    for answer in [html(410), expired(410, 3), expired(404, 2)] {
        let mut run = Run::pulling();
        assert_eq!(run.feed(Input::Pulled(answer)).shows(), Some(State::Error));
    }
    let mut run = Run::pushing();
    assert_eq!(run.feed(Input::Pushed(expired(410, 2))).shows(), Some(State::Error));
}

#[test]
fn an_unknown_clock_is_measured_until_two_samples_agree() {
    let mut run = Run::new();
    run.feed_all([Input::Start, Input::Token(true), Input::ClockUnknown]);
    assert_eq!(run.effects, [Effect::AskTime]);
    for ahead in [60_000, 3_600_000, 7_200_000] {
        assert_eq!(run.feed(Input::Time(health(ahead), NOW)).effects, [Effect::AskTime], "no two agree yet");
    }
    run.feed(Input::Time(health(7_203_000), NOW));
    assert_eq!(run.effects, [Effect::SettleClock { offset: 7_203_000, server_ms: NOW + 7_203_000 }]);
    assert_eq!(run.feed(Input::ClockSettled).effects, [Effect::Freeze]);
}

#[test]
fn a_clock_that_becomes_unknown_while_a_page_is_applied_is_measured_first() {
    let mut run = Run::pulling();
    run.feed_all([Input::Pulled(page(false)), Input::ClockUnknown]);
    assert_eq!(run.effects, [Effect::AskTime]);
    run.feed_all([Input::Time(health(0), NOW), Input::Time(health(0), NOW), Input::ClockSettled]);
    assert_eq!(run.feed(Input::Frozen(OrderedSet::new())).effects, [Effect::Pull], "the page is asked for again");
}

#[test]
fn a_wish_to_sync_during_a_round_makes_another_round() {
    let mut run = Run::pulling();
    assert_eq!(run.feed(Input::SyncNow).effects, []);
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(run.has(&Effect::Freeze) && !run.has(&Effect::RoundDone));
    run.feed_all([Input::Frozen(OrderedSet::new()), Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(run.has(&Effect::RoundDone));
}

#[test]
fn writes_wait_for_company_but_not_for_ever() {
    let mut run = Run::resting();
    assert_eq!(run.feed(Input::Logged).effects, [Effect::WakeAt(NOW + 150)]);
    for ms in (100..2000).step_by(100) {
        run.now = NOW + ms;
        run.feed(Input::Logged);
        assert_eq!(run.effects, [Effect::WakeAt((NOW + ms + 150).min(NOW + 1000))]);
    }
}

#[test]
fn stopping_forgets_what_is_under_way() {
    let mut run = Run::pushing();
    assert_eq!(run.feed(Input::Stop).effects, [Effect::Status(State::Local, None)]);
    assert_eq!(run.feed(Input::Pushed(accepted(&[event(1)]))).effects, []);
    assert_eq!(run.feed(Input::Timer).effects, []);
    assert!(run.feed(Input::Start).has(&Effect::GetToken(false)), "the old token is forgotten");
}

#[test]
fn an_app_that_is_too_old_stops_pushing_until_it_is_asked_again() {
    let mut run = Run::pushing();
    run.feed_all([Input::Pushed(accepted(&[event(1)])), Input::Settled(SettledAs::UpdateRequired)]);
    assert_eq!((run.shows(), run.wakes_at()), (Some(State::UpdateRequired), None));
}

#[test]
fn changes_to_be_sent_again_do_not_keep_pages_from_coming() {
    let mut run = Run::pushing();
    run.feed_all([Input::Pushed(accepted(&[event(1)])), Input::Settled(SettledAs::Again)]);
    assert_eq!(run.effects, [Effect::Pull], "what the answer was about comes first");
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(run.has(&Effect::Freeze), "then it is tried once more");
    run.feed_all([Input::Frozen(OrderedSet::from([event(1)])), Input::Pushed(accepted(&[event(1)]))]);
    run.feed(Input::Settled(SettledAs::Again));
    assert_eq!(run.effects, [Effect::Pull]);
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert_eq!(run.shows(), Some(State::Error), "and then it waits");
    assert!(run.wakes_at().is_some());
}

#[test]
fn a_full_device_says_so_and_tries_again() {
    let mut run = Run::pulling();
    run.feed(Input::Pulled(page(false)));
    let full = Input::StorageFailed { code: "quota_exceeded".into(), message: String::new(), full: true };
    assert_eq!(run.feed(full).shows(), Some(State::StorageFull));
    assert!(run.wakes_at().is_some());
}

#[test]
fn steady_hints_do_not_keep_a_round_from_ending() {
    let mut run = Run::pulling();
    run.feed_all([Input::Logged, Input::Pulled(page(false)), Input::Nudge, Input::Applied, Input::RebaseStep]);
    assert!(run.has(&Effect::RoundDone));
    assert!(run.wakes_at().is_some_and(|at| at < NOW + 1000), "another round follows soon");
}

#[test]
fn what_calls_for_sync_now_waits_for_a_round_of_its_own() {
    let mut run = Run::pulling();
    run.feed_all([Input::SyncNow, Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(!run.has(&Effect::RoundDone) && run.has(&Effect::Freeze));
}

#[test]
fn a_long_log_does_not_keep_pulls_waiting() {
    let mut run = Run::pushing();
    for _ in 0..20 {
        run.feed_all([Input::Pushed(accepted(&[event(1)])), Input::Settled(SettledAs::Done)]);
        if run.has(&Effect::Pull) {
            run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
            assert!(run.has(&Effect::Freeze), "and the rest follows at once");
            return;
        }
        run.feed(Input::Frozen(OrderedSet::from([event(1)])));
    }
    panic!("twenty pushes and no pull");
}

#[test]
fn a_single_change_too_large_for_the_server_is_refused_not_repeated() {
    let mut run = Run::pushing();
    let too_large = json!({ "protocol": 2, "code": "too_large", "message": "over 10 MB" });
    run.feed(Input::Pushed(reply(413, &too_large)));
    let [Effect::Settle(settlement)] = &run.effects[..] else { panic!("{:?}", run.effects) };
    assert!(settlement.accepted.is_empty() && settlement.rejected[0].event_id == event(1).as_str());
    let mut run = Run::pushing();
    run.feed(Input::Pushed(html(413)));
    assert!(run.has(&Effect::FreezePart(Part::First(1))), "an untyped answer drops nothing");
    run.feed_all([Input::Frozen(OrderedSet::from([event(1)])), Input::Pushed(html(413))]);
    assert!(run.has(&Effect::FreezePart(Part::Other(0))));
    run.feed(Input::Frozen(OrderedSet::new()));
    assert!(run.has(&Effect::Pull), "nothing else shows that the server takes anything");
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert_eq!(run.shows(), Some(State::Error));
}
