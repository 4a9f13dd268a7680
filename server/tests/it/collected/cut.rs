//! A TCP port before the engine's socket, whose connections can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// The port.
pub struct Cut {
    address: SocketAddr,
    cuts: watch::Sender<u64>,
}

impl Cut {
    /// Before this engine, which is reached by a socket.
    pub async fn before(engine: &str) -> Self {
        let path = engine.strip_prefix("unix://").expect("the test engine is reached by a socket").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (path, mut cut) = (path.clone(), cut.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = UnixStream::connect(path).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Dropped with all that is under way.
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cuts }
    }

    /// As `SLIPWAY_DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
