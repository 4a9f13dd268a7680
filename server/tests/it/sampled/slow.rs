//! A socket before the engine's, behind which inspections of containers take as long as the test says.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{UnixListener, UnixStream};

/// The socket.
pub struct Slow {
    folder: TempDir,
    millis: Arc<AtomicU64>,
}

impl Slow {
    /// Before this engine, which is reached by a socket.
    pub fn before(engine: &str) -> Self {
        let path = engine.strip_prefix("unix://").expect("the test engine is reached by a socket").to_owned();
        let slow = Self { folder: tempfile::tempdir().expect("a folder"), millis: Arc::default() };
        let listener = UnixListener::bind(slow.path()).expect("a socket");
        let millis = Arc::clone(&slow.millis);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (path, millis) = (path.clone(), Arc::clone(&millis));
                tokio::spawn(async move {
                    if let Ok(far) = UnixStream::connect(path).await {
                        pass(near, far, &millis).await;
                    }
                });
            }
        });
        slow
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// As `SLIPWAY_DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    /// From now on an inspection takes so long.
    pub fn inspections_take(&self, time: Duration) {
        self.millis.store(u64::try_from(time.as_millis()).expect("a short time"), Ordering::Relaxed);
    }
}

/// Passes on what either side says, until one of them ends.
async fn pass(near: UnixStream, far: UnixStream, millis: &AtomicU64) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let asking = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_near.read(&mut piece).await {
            if is_inspection(&piece[..read]) {
                tokio::time::sleep(Duration::from_millis(millis.load(Ordering::Relaxed))).await;
            }
            if to_far.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        _ = copy(&mut from_far, &mut to_near) => {}
    }
}

/// Whether a request begins here that is `GET /…/containers/<id>/json`.
fn is_inspection(piece: &[u8]) -> bool {
    let line = piece.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let path = line.strip_prefix("GET ").and_then(|rest| rest.split([' ', '?']).next()).unwrap_or_default();
    path.contains("/containers/") && path.ends_with("/json") && !path.ends_with("/containers/json")
}
