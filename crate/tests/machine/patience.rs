//! What keeps a round from asking again and again: waits that were asked for, changes that came back, times that contradict each
//! other, pages that lead in a circle.

use super::Run;
use super::answers::{Answer, NOW, accepted, event, health, html, page, reply};
use mana_sync_engine::model::OrderedSet;
use mana_sync_engine::protocol::http::Response;
use mana_sync_engine::protocol::machine::{Effect, Input, SettledAs};
use mana_sync_engine::protocol::state::State;
use serde_json::json;

const ASKED_MS: u64 = 120_000;

fn patient(answer: Answer) -> Answer {
    answer.map(|answer| Response { retry_after_ms: Some(ASKED_MS), ..answer })
}

/// The time is measured anew.
fn measured(run: &mut Run) {
    run.feed_all([Input::Time(health(0), NOW), Input::Time(health(0), NOW), Input::ClockSettled]);
}

#[test]
fn what_an_answer_to_a_push_asks_for_is_waited_for_whatever_fails_meanwhile() {
    let typed = json!({ "protocol": 2, "code": "too_large", "message": "" });
    for status in [400, 413, 422, 500, 502] {
        for fails in [false, true] {
            let mut run = Run::pushing();
            run.feed(Input::Pushed(patient(html(status))));
            assert_eq!(run.effects, [Effect::Pull], "{status}: others are heard");
            if fails {
                run.feed(Input::Pulled(html(500)));
            } else {
                run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
            }
            assert!(run.retry_at().is_some_and(|at| at >= NOW + ASKED_MS), "{status} {fails}");
            assert_eq!(run.feed(Input::Woken).has(&Effect::Pull), !fails, "{status}: others are heard, if they can be");
            assert!(!run.has(&Effect::Freeze), "{status} {fails}");
            run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
            assert!(run.feed(Input::SyncNow).has(&Effect::Status(State::Syncing, None)), "somebody asks");
        }
    }
    let mut run = Run::pushing();
    run.feed(Input::Pushed(patient(reply(413, &typed))));
    assert_eq!(run.effects, [Effect::Pull], "nothing is set aside that is not too large for good");
}

#[test]
fn a_token_that_is_replaced_meanwhile_does_not_cut_that_wait_short() {
    let mut run = Run::pushing();
    run.feed_all([Input::Pushed(patient(html(502))), Input::Pulled(html(401)), Input::Token(true)]);
    assert_eq!(run.effects, [Effect::Pull]);
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(run.retry_at().is_some_and(|at| at >= NOW + ASKED_MS));
}

#[test]
fn others_are_heard_while_a_push_waits_for_its_time_which_no_failure_between_shortens() {
    let mut run = Run::pushing();
    let heard = || [Input::Pulled(page(false)), Input::Applied, Input::RebaseStep];
    run.feed(Input::Pushed(patient(html(413)))).feed_all(heard());
    let (until, wakes) = (run.retry_at().expect("a time"), run.wakes_at().expect("it wakes"));
    assert!(wakes < NOW + ASKED_MS && until >= NOW + ASKED_MS, "{wakes} {until}");
    for input in [Input::Timer, Input::Nudge] {
        run.now += 10_000;
        assert_eq!(run.feed(input).effects, [Effect::Pull], "and what is wrong stays to be seen");
        run.feed_all(heard());
        assert_eq!((run.shows(), run.retry_at()), (Some(State::Error), Some(until)));
    }
    assert_eq!(run.feed(Input::Logged).effects, [], "nothing that is written changes that");
    run.feed_all([Input::Timer, Input::Pulled(html(500))]);
    assert!(run.wakes_at().is_some_and(|at| at >= until), "neither does a failure");
    run.now = until;
    run.feed(Input::Timer);
    assert!(!run.has(&Effect::Pull) && run.shows() == Some(State::Syncing), "then it goes out: {:?}", run.effects);
}

#[test]
fn a_clock_that_is_set_back_makes_no_wait_longer_than_any_can_be() {
    let mut run = Run::pushing();
    run.now += 1 << 40;
    run.feed_all([Input::Pushed(patient(html(413))), Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    run.now -= 24 * 3_600_000;
    run.feed(Input::Timer);
    assert!(!run.has(&Effect::Pull) && run.shows() == Some(State::Syncing), "it goes out: {:?}", run.effects);
    let mut run = Run::pulling();
    run.feed(Input::Pulled(patient(html(503))));
    run.now -= 24 * 3_600_000;
    assert!(run.feed(Input::Woken).has(&Effect::Status(State::Syncing, None)));
}

#[test]
fn somebody_who_asks_for_sync_does_not_wait_and_one_who_looks_at_the_page_does() {
    let mut run = Run::pulling();
    run.feed(Input::Pulled(patient(html(503))));
    assert_eq!(run.feed(Input::Woken).effects, []);
    assert!(run.feed(Input::SyncNow).has(&Effect::Status(State::Syncing, None)));
    run.feed_all([Input::Frozen(OrderedSet::new()), Input::Pulled(html(503))]);
    assert!(run.feed(Input::Woken).has(&Effect::Status(State::Syncing, None)), "nobody asked to wait this time");
}

#[test]
fn what_came_back_is_not_said_again_before_others_were_heard_though_the_clock_is_measured_in_between() {
    let mut run = Run::pushing();
    run.feed_all([Input::Pushed(accepted(&[event(1)])), Input::Settled(SettledAs::Again)]);
    run.feed_all([Input::Pulled(page(false)), Input::ClockUnknown]);
    assert_eq!(run.effects, [Effect::AskTime]);
    measured(&mut run);
    assert_eq!(run.effects, [Effect::Pull], "the page first");
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert!(run.has(&Effect::Freeze));
    run.feed_all([Input::Frozen(OrderedSet::from([event(1)])), Input::Pushed(accepted(&[event(1)]))]);
    run.feed_all([Input::Settled(SettledAs::Again), Input::Pulled(page(false)), Input::ClockUnknown]);
    measured(&mut run);
    run.feed_all([Input::Pulled(page(false)), Input::Applied, Input::RebaseStep]);
    assert_eq!(run.shows(), Some(State::Error), "and then it waits");
}

#[test]
fn pages_of_another_time_than_the_measured_one_are_no_answer_at_the_third() {
    let mut run = Run::pulling();
    for _ in 0..2 {
        run.feed_all([Input::Pulled(page(false)), Input::ClockUnknown]);
        measured(&mut run);
        run.feed(Input::Frozen(OrderedSet::new()));
        assert_eq!(run.effects, [Effect::Pull]);
    }
    run.feed_all([Input::Pulled(page(false)), Input::ClockUnknown]);
    assert_eq!(run.shows(), Some(State::Error));
    assert!(run.feed(Input::Timer).has(&Effect::AskTime), "the time is measured anew");
}

#[test]
fn pages_that_stand_still_are_no_answer_and_waits_for_them_grow() {
    let mut run = Run::pulling();
    let mut longest = 0;
    for _ in 0..12 {
        run.machine.asks_from(Some("elsewhere"));
        run.feed_all([Input::Pulled(page(true)), Input::Applied]);
        run.machine.asks_from(Some("c"));
        run.feed(Input::Pulled(page(true)));
        assert_eq!(run.shows(), Some(State::Error));
        longest = longest.max(run.wakes_at().expect("it wakes") - NOW);
        run.feed_all([Input::Timer, Input::Frozen(OrderedSet::new())]);
    }
    assert!(longest > 4000, "{longest}");
    run.machine.asks_from(Some("c"));
    run.feed_all([Input::Pulled(page(false)), Input::Applied]);
    assert_eq!(run.effects, [Effect::EndRebase], "a last page may end where it was asked for");
}
