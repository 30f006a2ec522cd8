//! How long a server asks to wait: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), in milliseconds.

use super::fetch::header;
use super::host::system_ms;
use js_sys::Date;
use wasm_bindgen::JsValue;

/// What the answer's `Retry-After` comes to. A date is compared with the answer's own `Date`, so that nobody's clock has to be right;
/// pages of other origins see that header only where the server lets them (`Access-Control-Expose-Headers`), and then the
/// device's clock has to do. Nothing where the header says neither.
pub fn retry_after_ms(response: &JsValue) -> Option<u64> {
    let asked = header(response, "retry-after")?;
    let asked = asked.trim();
    if let Ok(seconds) = asked.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let said = header(response, "date").and_then(|date| time_of(&date));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps to the range, below it 0")]
    Some((time_of(asked)? - said.unwrap_or_else(system_ms)) as u64)
}

/// An HTTP date in milliseconds since 1970, in any of its three forms (RFC 9110, 5.6.7). All are in GMT; the oldest does not say
/// so, and none is without a colon, as texts are of which a browser makes a date, too.
fn time_of(text: &str) -> Option<f64> {
    let text = text.trim();
    let in_gmt = if text.ends_with("GMT") { text.to_owned() } else { format!("{text} GMT") };
    Some(Date::parse(&in_gmt)).filter(|ms| text.contains(':') && ms.is_finite())
}
