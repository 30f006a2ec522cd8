//! Spaces: who a record belongs to, and who may see it.

use super::{FromJson, SpaceId, UserId, record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Begins the alias under which a person's own space travels: `_personal:<user>`.
pub const PERSONAL_PREFIX: &str = "_personal:";

/// The alias of a person's own space, the only name it has on the wire.
#[must_use]
pub fn personal_alias(user: &UserId) -> String {
    format!("{PERSONAL_PREFIX}{user}")
}

record! {
    /// A space the signed-in user is a member of.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Space {
        /// Its id.
        pub id: SpaceId = "id",
        /// `personal`, or a shared kind such as `family` or `team`. A server that does not know leaves it out.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        pub kind: Option<String> = "type",
        /// The user's role in it, such as `owner`, `member` or `viewer`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role: Option<String> = "role",
    }
}

impl Space {
    /// The type of a person's own space.
    pub const PERSONAL: &str = "personal";

    /// Whether this is a person's own space.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.kind.as_deref() == Some(Self::PERSONAL)
    }

    /// Whether the role only lets the user read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self.role.as_deref(), Some("viewer" | "reader" | "guest"))
    }
}

/// Who in a space may see a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Visibility {
    /// Every member of the space.
    #[default]
    Space,
    /// Its author only.
    Private,
}

impl Visibility {
    /// The name used in records and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::Private => "private",
        }
    }
}

impl FromJson for Visibility {
    fn from_json(value: Value) -> Option<Self> {
        String::from_json(value).map(Self::from)
    }
}

impl From<String> for Visibility {
    /// Any word but `private` counts as `space`.
    fn from(text: String) -> Self {
        if text == "private" { Self::Private } else { Self::Space }
    }
}

impl From<Visibility> for String {
    fn from(visibility: Visibility) -> Self {
        visibility.as_str().to_owned()
    }
}
