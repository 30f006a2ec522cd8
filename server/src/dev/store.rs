//! Keys, spaces and memberships of the identity service, kept beside the change log so that they survive a restart.

use crate::auth::KeyPair;
use crate::clock;
use crate::log::LogError;
use crate::log::sqlite::Database;
use crate::members::{Lookup, Memberships, SpaceList, Unavailable};
use mana_sync_engine::model::{RecordId, Space, SpaceId, UserId};
use sqlx::{Error, Row};

/// The type of a space that is one person's own.
const PERSONAL: &str = "personal";
/// The role of who may change a space's members.
const OWNER: &str = "owner";

/// The identity service's data.
#[derive(Clone)]
pub struct DevStore {
    database: Database,
}

/// Why a change of spaces or members is not made.
#[derive(Debug)]
pub enum Refused {
    /// There is no such space, or it is not the caller's to see.
    NoSuchSpace,
    /// The caller is not the space's owner.
    NotTheOwner,
    /// A personal space has one member for ever, and a person has one personal space.
    Personal,
    /// A space keeps at least one owner.
    LastOwner,
    /// The store failed.
    Failed(String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl DevStore {
    /// Opens the store, making its tables where they are missing.
    pub async fn open(database: Database) -> Result<Self, LogError> {
        let mut turn = database.writer.turn().await?;
        sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *turn).await?;
        turn.commit().await?;
        Ok(Self { database })
    }

    /// The signing key, made when it is first asked for: tokens outlive a restart.
    pub async fn key(&self) -> Result<KeyPair, LogError> {
        let mut seed = [0; 32];
        clock::random(&mut seed);
        let insert = "INSERT INTO dev_key (one, seed) VALUES (1, ?) ON CONFLICT DO NOTHING";
        let mut turn = self.database.writer.turn().await?;
        sqlx::query(insert).bind(seed.as_slice()).execute(&mut *turn).await?;
        turn.commit().await?;
        let stored = sqlx::query_scalar("SELECT seed FROM dev_key");
        let stored: Vec<u8> = stored.fetch_one(&self.database.readers).await?;
        let seed =
            <[u8; 32]>::try_from(stored).map_err(|_| LogError::Failed("a signing key of another length".into()))?;
        Ok(KeyPair::from_seed(seed))
    }

    /// Makes a space whose owner is `owner`.
    pub async fn create_space(&self, owner: &UserId, name: &str, kind: &str) -> Result<SpaceId, Refused> {
        let mut random = [0; 10];
        clock::random(&mut random);
        let id = RecordId::from_parts(clock::now().ms(), &random).to_string();
        let mut turn = self.database.writer.turn().await?;
        if kind == PERSONAL {
            let taken =
                "SELECT COUNT(*) FROM dev_members JOIN dev_spaces ON id = space_id WHERE user_id = ? AND type = ?";
            let query = sqlx::query_scalar::<_, i64>(taken).bind(owner.as_str()).bind(PERSONAL);
            if query.fetch_one(&mut *turn).await? > 0 {
                return Err(Refused::Personal);
            }
        }
        let insert = sqlx::query("INSERT INTO dev_spaces (id, name, type) VALUES (?, ?, ?)");
        insert.bind(&id).bind(name).bind(kind).execute(&mut *turn).await?;
        let insert = sqlx::query("INSERT INTO dev_members (space_id, user_id, role) VALUES (?, ?, ?)");
        insert.bind(&id).bind(owner.as_str()).bind(OWNER).execute(&mut *turn).await?;
        turn.commit().await?;
        SpaceId::parse(id).map_err(|e| Refused::Failed(e.to_string()))
    }

    /// Makes `member` a member with this role, or with `None` no member any more. Owners do so; anybody may leave.
    pub async fn set_member(
        &self,
        (caller, space): (&UserId, &SpaceId),
        member: &UserId,
        role: Option<&str>,
    ) -> Result<(), Refused> {
        let mut turn = self.database.writer.turn().await?;
        let query = sqlx::query(
            "SELECT m.user_id, m.role, s.type FROM dev_members AS m JOIN dev_spaces AS s
            ON s.id = m.space_id WHERE m.space_id = ?",
        );
        let members = query.bind(space.as_str()).fetch_all(&mut *turn).await?;
        let mut roles: Vec<(String, String)> = Vec::new();
        for row in &members {
            roles.push((row.try_get(0)?, row.try_get(1)?));
        }
        let kind = members.first().map(|row| row.try_get::<String, _>(2)).transpose()?;
        check(&roles, kind.as_deref(), (caller, member), role)?;
        let delete = sqlx::query("DELETE FROM dev_members WHERE space_id = ? AND user_id = ?");
        delete.bind(space.as_str()).bind(member.as_str()).execute(&mut *turn).await?;
        if let Some(role) = role {
            let insert = sqlx::query("INSERT INTO dev_members (space_id, user_id, role) VALUES (?, ?, ?)");
            insert.bind(space.as_str()).bind(member.as_str()).bind(role).execute(&mut *turn).await?;
        }
        Ok(turn.commit().await?)
    }

    /// The members of a space with their roles, for one of them.
    pub async fn members(&self, caller: &UserId, space: &SpaceId) -> Result<Vec<(String, String)>, Refused> {
        let query = sqlx::query_as("SELECT user_id, role FROM dev_members WHERE space_id = ? ORDER BY user_id");
        let members: Vec<(String, String)> = query.bind(space.as_str()).fetch_all(&self.database.readers).await?;
        let is_in = members.iter().any(|(user, _)| user == caller.as_str());
        if is_in { Ok(members) } else { Err(Refused::NoSuchSpace) }
    }

    /// A person's spaces with their names.
    pub async fn named_spaces(&self, user: &UserId) -> Result<Vec<(Space, String)>, Error> {
        let query = sqlx::query(
            "SELECT s.id, s.type, m.role, s.name FROM dev_members AS m JOIN dev_spaces AS s
            ON s.id = m.space_id WHERE m.user_id = ? ORDER BY s.id",
        );
        let rows = query.bind(user.as_str()).fetch_all(&self.database.readers).await?;
        let mut spaces = Vec::new();
        for row in rows {
            let id = SpaceId::parse(row.try_get::<String, _>(0)?).map_err(|e| Error::Decode(Box::new(e)))?;
            spaces.push((Space { id, kind: row.try_get(1)?, role: row.try_get(2)? }, row.try_get(3)?));
        }
        Ok(spaces)
    }
}

/// The rules of membership; `roles` are the space's members, none when there is no such space.
fn check(
    roles: &[(String, String)],
    kind: Option<&str>,
    (caller, member): (&UserId, &UserId),
    role: Option<&str>,
) -> Result<(), Refused> {
    let role_of = |user: &UserId| roles.iter().find(|(id, _)| id == user.as_str()).map(|(_, role)| role.as_str());
    let leaves = caller == member && role.is_none();
    match role_of(caller) {
        None => return Err(Refused::NoSuchSpace),
        Some(OWNER) => {}
        Some(_) if leaves => {}
        Some(_) => return Err(Refused::NotTheOwner),
    }
    if kind == Some(PERSONAL) {
        return Err(Refused::Personal);
    }
    let owners = roles.iter().filter(|(_, role)| role == OWNER).count();
    if role_of(member) == Some(OWNER) && role != Some(OWNER) && owners == 1 {
        return Err(Refused::LastOwner);
    }
    Ok(())
}

impl Memberships for DevStore {
    fn spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a> {
        Box::pin(async move {
            let as_of = clock::now();
            let named = self.named_spaces(user).await.map_err(|e| Unavailable(e.to_string()))?;
            Ok(SpaceList { spaces: named.into_iter().map(|(space, _)| space).collect(), as_of })
        })
    }
}
