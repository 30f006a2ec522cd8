//! Where connections come in: each may take its time, but not for ever.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// A listener whose connections end once they have taken nothing of what is sent to them for a while: what waits for somebody
/// who reads no more is memory, and their place among the connected another's.
pub(super) struct Patient {
    listener: TcpListener,
    stalled: Duration,
}

impl Patient {
    pub fn new(listener: TcpListener, stalled: Duration) -> Self {
        Self { listener, stalled }
    }
}

impl Listener for Patient {
    type Io = Pin<Box<TimeoutStream<TcpStream>>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Nudges are small and should not wait for company.
        drop(stream.set_nodelay(true));
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.stalled));
        (Box::pin(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
