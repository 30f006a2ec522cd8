//! Which answers are believed, and which are not.

use super::*;
use proptest::prelude::*;
use serde_json::json;

#[expect(clippy::unnecessary_wraps, reason = "the shape of what a transport gives")]
fn response(status: u16, content_type: &str, body: &str) -> Result<Response, NoAnswer> {
    Ok(Response { status, content_type: content_type.into(), retry_after_ms: None, body: body.into() })
}

fn json_reply(status: u16, body: &Value) -> Result<Response, NoAnswer> {
    response(status, "application/json; charset=utf-8", &body.to_string())
}

fn event(n: u8) -> EventId {
    EventId::from_parts(u64::from(n), &[n; 10])
}

fn answer(accepted: &[EventId]) -> Value {
    json!({ "protocol": 2, "accepted": accepted, "rejected": [], "serverTime": "2026-01-01T00:00:00.000Z" })
}

#[test]
fn only_a_complete_push_answer_is_believed() {
    let sent = OrderedSet::from([event(1), event(2)]);
    assert!(push_answer(json_reply(200, &answer(&[event(1), event(2)])), &sent).is_ok());
    for wrong in [&[event(1)][..], &[event(1), event(1)], &[event(1), event(2), event(3)], &[event(1), event(3)]] {
        assert!(push_answer(json_reply(200, &answer(wrong)), &sent).is_err());
    }
}

#[test]
fn html_cut_json_and_strangers_mean_later() {
    let sent = OrderedSet::new();
    let whole = answer(&[]).to_string();
    let strange = [
        response(200, "text/html", "<h1>Sign in to the airport</h1>"),
        response(200, "text/html", &whole),
        response(200, "application/json", &whole[..whole.len() - 3]),
        response(200, "application/json", ""),
        json_reply(200, &json!({ "protocol": 3 })),
        json_reply(200, &json!([])),
        json_reply(404, &json!({ "error": "not found" })),
        json_reply(500, &json!({ "protocol": 2, "code": "x", "message": "y" })),
        response(301, "", ""),
        Err(NoAnswer("refused".into())),
    ];
    for reply in strange {
        assert!(matches!(push_answer(reply.clone(), &sent), Err(Failure::Later { .. })), "{reply:?}");
    }
}

#[test]
fn only_a_typed_answer_expires_a_cursor() {
    let expired = json!({ "protocol": 2, "code": "cursor_expired", "message": "", "reason": "retention" });
    assert_eq!(pull_answer(json_reply(410, &expired)), Err(Failure::Expired(ExpiryReason::Retention)));
    assert!(matches!(pull_answer(response(410, "text/html", "gone")), Err(Failure::Later { .. })));
    assert!(matches!(pull_answer(json_reply(410, &json!({ "code": "cursor_expired" }))), Err(Failure::Later { .. })));
}

fn page() -> Value {
    let space = json!({ "id": "club", "type": "team", "role": "viewer" });
    json!({ "protocol": 2, "changes": [{ "eventId": event(1) }, {}], "cursor": "c", "hasMore": true,
        "serverTime": "2026-01-01T00:00:00.000Z", "spaces": [space], "spacesAsOf": "2026-01-01T00:00:00.000000Z" })
}

fn health() -> Value {
    json!({ "status": "ok", "service": "mana-sync", "protocol": 2, "timestamp": "2026-01-01T00:00:00.000Z" })
}

/// Reads a reply to each of the three requests; which of them believed it.
fn believed(reply: &Result<Response, NoAnswer>) -> Vec<&'static str> {
    let sent = OrderedSet::from([event(1), event(2)]);
    let push = push_answer(reply.clone(), &sent).is_ok().then_some("push");
    let pull = pull_answer(reply.clone()).is_ok().then_some("pull");
    push.into_iter().chain(pull).chain(health_answer(reply.clone()).is_ok().then_some("health")).collect()
}

/// A whole answer to one of the requests.
fn whole() -> impl Strategy<Value = (&'static str, Value)> {
    prop::sample::select(vec![("push", answer(&[event(1), event(2)])), ("pull", page()), ("health", health())])
}

/// Ids of five changes, with repetitions.
fn some_ids() -> impl Strategy<Value = Vec<EventId>> {
    prop::collection::vec((1u8..6).prop_map(event), 0..5)
}

/// A value of every kind.
fn any_kind() -> impl Strategy<Value = Value> {
    let some = json!([null, true, false, 0, 3, -1, 1.5, "", "text", [], [7], {}, { "a": 1 }]);
    prop::sample::select(some.as_array().unwrap().clone())
}

fn kind(value: &Value) -> std::mem::Discriminant<Value> {
    std::mem::discriminant(value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_push_answer_is_believed_when_it_names_every_sent_id_exactly_once(
        accepted in some_ids(), rejected in some_ids(), sent in some_ids(), all_sent in any::<bool>(), stranger in prop::option::of("[a-f0-9-]{0,36}")
    ) {
        let mut refusals: Vec<String> = rejected.iter().map(ToString::to_string).collect();
        refusals.extend(stranger.clone());
        let sent: OrderedSet<EventId> =
            if all_sent { accepted.iter().chain(&rejected).cloned().collect() } else { sent.into_iter().collect() };
        let rejections: Vec<Value> =
            refusals.iter().map(|id| json!({ "eventId": id, "code": "read_only", "message": "" })).collect();
        let mut body = answer(&accepted);
        body["rejected"] = json!(rejections);
        let mut named: Vec<EventId> = [accepted, rejected].concat();
        named.sort();
        let right = stranger.is_none() && named.iter().eq(sent.iter());
        match push_answer(json_reply(200, &body), &sent) {
            Ok(settled) => {
                prop_assert!(right);
                let refused = settled.rejected.iter().map(|rejection| EventId::parse(rejection.event_id.as_str()).unwrap());
                prop_assert_eq!(settled.accepted.into_iter().chain(refused).collect::<OrderedSet<_>>(), sent);
            }
            Err(Failure::Later { .. }) => prop_assert!(!right),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_whole_answer_is_believed_by_the_request_it_belongs_to_alone((name, body) in whole()) {
        prop_assert_eq!(believed(&json_reply(200, &body)), [name]);
        let mut more = body;
        more["newer"] = json!({ "field": 1 });
        prop_assert_eq!(believed(&json_reply(200, &more)), [name], "a field of a newer server is passed over");
    }

    #[test]
    fn a_cut_answer_is_not_believed((_, body) in whole(), at in any::<prop::sample::Index>()) {
        let text = body.to_string();
        prop_assert!(believed(&response(200, "application/json", &text[..at.index(text.len())])).is_empty());
    }

    #[test]
    fn an_answer_with_a_field_missing_or_of_another_kind_is_not_believed(
        (_, body) in whole(), at in any::<prop::sample::Index>(), other in prop::option::of(any_kind())
    ) {
        let mut body = body;
        let keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        let key = at.get(&keys);
        // A server of protocol 1 says none of these.
        let may_be_absent = ["spaces", "spacesAsOf"].contains(&key.as_str()) || (key == "protocol" && body.get("service").is_some());
        match other {
            None | Some(Value::Null) if may_be_absent => return Ok(()),
            None => drop(body.as_object_mut().unwrap().remove(key)),
            Some(other) if kind(&other) == kind(&body[key]) => return Ok(()),
            Some(other) => body[key] = other,
        }
        prop_assert!(believed(&json_reply(200, &body)).is_empty(), "{body}");
    }

    #[test]
    fn an_answer_of_another_protocol_or_content_type_is_not_believed(
        (_, body) in whole(), protocol in any_kind().prop_filter("not this one", |kind| *kind != json!(2)), content_type in "(text/(html|json)|image/png|)"
    ) {
        prop_assert!(believed(&response(200, &content_type, &body.to_string())).is_empty());
        let mut body = body;
        let says_which = body.get("service").is_some() && (protocol.is_null() || protocol.is_u64());
        body["protocol"] = protocol;
        prop_assert!(believed(&json_reply(200, &body)).is_empty() || says_which);
    }

    #[test]
    fn what_is_no_success_settles_and_brings_nothing_and_only_a_typed_answer_expires_or_refuses(
        (_, body) in whole(), status in 100u16..600, protocol in 1u32..4, code in "(cursor_expired|too_large)", reason in "(restored|retention|other)", typed in any::<bool>()
    ) {
        let error = json!({ "protocol": protocol, "code": code, "message": "", "reason": reason });
        let reply = json_reply(status, if typed { &error } else { &body });
        prop_assert!(status == 200 || believed(&reply).is_empty());
        let ours = typed && protocol == PROTOCOL && reason != "other";
        match pull_answer(reply) {
            Ok(_) => prop_assert!(status == 200 && !typed),
            Err(Failure::Expired(_)) => prop_assert!(ours && status == 410 && code == "cursor_expired"),
            Err(Failure::Refused { .. }) => prop_assert!(ours && (400..500).contains(&status)),
            Err(Failure::Unauthorized) => prop_assert_eq!(status, 401),
            Err(Failure::PaymentRequired) => prop_assert_eq!(status, 402),
            Err(Failure::Later { .. }) => prop_assert!(!(ours && status == 410)),
        }
    }
}
