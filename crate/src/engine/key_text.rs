//! A key as a text, on its way to the other tabs of a browser profile.

use crate::crypto::{MasterKey, base64};
use crate::model::FromJson;
use serde_json::Value;
use std::fmt;
use zeroize::Zeroizing;

/// A master key in base64. Nothing prints it, and its bytes are overwritten when it is dropped; what the browser's channel
/// makes of it is out of reach.
#[derive(Clone, PartialEq)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// The text of a key.
    #[must_use]
    pub fn of(key: &MasterKey) -> Self {
        Self(Zeroizing::new(base64::encode(key.expose())))
    }

    /// The key, where it is one.
    #[must_use]
    pub fn key(&self) -> Option<MasterKey> {
        let bytes = Zeroizing::new(base64::decode(&self.0)?);
        MasterKey::from_bytes(&bytes).ok()
    }

    /// The JSON of an object that is not empty with this key as one more field, `key`. It is written where it does not have to grow: what
    /// it grew out of would be left in memory.
    pub(super) fn within(&self, object: &str) -> Zeroizing<String> {
        const FIELD: &str = ",\"key\":\"";
        const END: &str = "\"}";
        let mut text = Zeroizing::new(String::with_capacity(object.len() + FIELD.len() + self.0.len() + END.len()));
        for part in [object.strip_suffix('}').unwrap_or(object), FIELD, self.0.as_str(), END] {
            text.push_str(part);
        }
        text
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

impl FromJson for KeyText {
    fn from_json(value: Value) -> Option<Self> {
        String::from_json(value).map(|text| Self(Zeroizing::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Event;
    use crate::engine::message::Message;

    #[test]
    fn a_key_on_its_way_to_other_tabs_is_printed_nowhere() {
        let text = || KeyText::of(&MasterKey::from_bytes(&[7; 32]).unwrap());
        let secret = text().0.to_string();
        let printed = [
            format!("{:?}", text()),
            format!("{:#?}", Event::VaultKey(Some(text()))),
            format!("{:?}", Message::VaultKey("ada".into(), Some(text()))),
            format!("{:?}", Message::VaultKeyGiven("ada".into(), text())),
        ];
        for printed in printed {
            assert!(!printed.contains(&secret) && printed.contains("KeyText"), "{printed}");
        }
    }

    #[test]
    fn what_is_no_key_gives_none() {
        for text in ["", "00ff", "*", &"A".repeat(44)] {
            assert!(KeyText::from_json(text.into()).is_some_and(|text| text.key().is_none()), "{text}");
        }
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        let sent: Value = serde_json::from_str(&KeyText::of(&key).within("{\"user\":\"ada\"}")).unwrap();
        assert_eq!(KeyText::from_json(sent["key"].clone()).and_then(|text| text.key()), Some(key));
    }
}
