//! Writing the file. Turns follow one another; those that wait at the same time share a transaction, each in a savepoint of its
//! own, because the disk takes as long for one commit as for many. Nobody is told that something is kept before it is.

use super::PATIENCE;
use crate::log::LogError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

/// The one connection that writes, shared by everybody who has something to write; `None` once it is closed.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<Option<Shared>>>);

struct Shared {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    /// Who waits for the commit of the transaction that is open.
    open: Option<Vec<oneshot::Sender<Result<(), LogError>>>>,
    /// Whether there may be a savepoint whose turn is neither kept nor undone.
    unfinished: bool,
}

/// A turn at writing. Dropped before [`Turn::commit`], it leaves nothing.
pub struct Turn(Lock);

type Lock = OwnedMappedMutexGuard<Option<Shared>, Shared>;

impl Writer {
    /// Writes by this connection, and after a failure by another with these options.
    pub(super) fn over(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        Self(Arc::new(Mutex::new(Some(Shared { options, connection, open: None, unfinished: false }))))
    }

    /// Waits for a turn, in the order of asking.
    pub async fn turn(&self) -> Result<Turn, LogError> {
        let (writer, shared) = (self.clone(), self.lock().await?);
        uninterrupted(async move { writer.begin(shared).await }).await
    }

    async fn begin(self, mut shared: Lock) -> Result<Turn, LogError> {
        shared.undo_unfinished().await;
        if shared.open.is_none() {
            shared.open = Some(Vec::new());
            // Behind all who wait by now: they are in this transaction.
            tokio::spawn(async move { self.end().await });
            // Immediate: a deferred one could find at its first write that its moment has passed.
            shared.run("BEGIN IMMEDIATE").await?;
        }
        shared.run("SAVEPOINT turn").await?;
        shared.unfinished = true;
        Ok(Turn(shared))
    }

    /// Moves all that was written into the file itself, and begins the one beside it anew.
    pub async fn checkpoint(&self) -> Result<(), LogError> {
        let mut shared = self.lock().await?;
        shared.end().await?;
        let checkpoint = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)");
        let is_blocked: bool = checkpoint.fetch_one(&mut shared.connection).await?;
        if is_blocked { Err(LogError::Busy("somebody reads the file for long".into())) } else { Ok(()) }
    }

    /// Commits what is open and closes the connection.
    pub async fn close(&self) {
        if let Some(mut shared) = self.0.lock().await.take() {
            // Whoever waits hears of a failure.
            shared.end().await.ok();
            shared.connection.close().await.ok();
        }
    }

    async fn end(&self) {
        if let Some(shared) = &mut *self.0.lock().await {
            // Whoever waits hears of a failure.
            shared.end().await.ok();
        }
    }

    async fn lock(&self) -> Result<Lock, LogError> {
        let lock = timeout(PATIENCE, Arc::clone(&self.0).lock_owned()).await;
        let lock = lock.map_err(|_| LogError::Busy("no turn at writing came".into()))?;
        OwnedMutexGuard::try_map(lock, Option::as_mut).map_err(|_| closed())
    }
}

/// Does a step to its end though the request it is for is given up: broken off half-way, nobody would know where the transaction
/// stands, and it would have to end for everybody.
async fn uninterrupted<T: Send + 'static>(
    step: impl Future<Output = Result<T, LogError>> + Send + 'static,
) -> Result<T, LogError> {
    tokio::spawn(step).await.unwrap_or_else(|_| Err(closed()))
}

/// Nothing is written any more.
fn closed() -> LogError {
    LogError::Busy("the server stops".into())
}

impl Shared {
    /// Runs a statement that moves the transaction.
    async fn run(&mut self, statement: &'static str) -> Result<(), LogError> {
        match sqlx::query(statement).execute(&mut self.connection).await {
            Ok(_) => Ok(()),
            Err(error) => self.give_up(error).await,
        }
    }

    /// After a failure nobody knows where the transaction stands, so it ends for everybody.
    async fn give_up(&mut self, error: sqlx::Error) -> Result<(), LogError> {
        let reason = error.to_string();
        for waiting in self.open.take().into_iter().flatten() {
            waiting.send(Err(LogError::Busy(reason.clone()))).ok();
        }
        self.unfinished = false;
        // What was not committed goes with the connection.
        self.connection = self.options.connect().await?;
        Err(LogError::from(error))
    }

    /// Undoes a turn that was dropped. Where that cannot be, the whole transaction has ended, and everybody was told.
    async fn undo_unfinished(&mut self) {
        if self.unfinished && self.run("ROLLBACK TO turn").await.is_ok() {
            self.run("RELEASE turn").await.ok();
        }
        self.unfinished = false;
    }

    /// Commits what is open and tells everybody who waits for it.
    async fn end(&mut self) -> Result<(), LogError> {
        self.undo_unfinished().await;
        if self.open.is_some() {
            self.run("COMMIT").await?;
            // A connection whose thread has ended answers as if all were done, but not this.
            if let Err(error) = self.connection.ping().await {
                return self.give_up(error).await;
            }
        }
        for waiting in self.open.take().into_iter().flatten() {
            waiting.send(Ok(())).ok();
        }
        Ok(())
    }
}

impl Turn {
    /// Keeps what was written; when this returns it is durable. Where it fails nothing of it is there, unless the disk failed in
    /// the middle of saying so.
    ///
    /// A turn that wrote nothing waits, too: what it read may be another's that is not kept yet.
    pub async fn commit(self) -> Result<(), LogError> {
        let told = uninterrupted(self.release()).await?;
        told.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn release(mut self) -> Result<oneshot::Receiver<Result<(), LogError>>, LogError> {
        self.0.run("RELEASE turn").await?;
        self.0.unfinished = false;
        let (sender, receiver) = oneshot::channel();
        self.0.open.as_mut().ok_or_else(closed)?.push(sender);
        Ok(receiver)
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

#[cfg(test)]
mod tests;
