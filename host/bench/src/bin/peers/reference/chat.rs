//! A chat as in tutorials of tokio: a task for each client, and a broadcast channel to which all
//! subscribe. Also an echo of the same kind.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, Sender};

/// How many lines the channel keeps. The load generator has fewer on the way, so nobody misses one.
const KEPT: usize = 32 * 1024;

/// The receivers of a line.
#[derive(Clone, Copy)]
pub(super) enum Duty {
    /// For everybody else.
    Chat,
    /// For its sender.
    Echo,
}

/// Serves on `port`. Returns only with an error. It has one thread, because it is compared on one
/// processor.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn serve(port: u16, duty: Duty) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (lines, _) = broadcast::channel(KEPT);
    for number in 0_usize.. {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let lines = lines.clone();
        tokio::spawn(async move {
            // It does not matter how a client leaves.
            let _ = match duty {
                Duty::Chat => chat(stream, number, lines).await,
                Duty::Echo => echo(stream).await,
            };
        });
    }
    Ok(())
}

async fn chat(stream: TcpStream, own: usize, lines: Sender<(usize, Vec<u8>)>) -> io::Result<()> {
    let mut others = lines.subscribe();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        tokio::select! {
            // Reading a line may be cancelled halfway. The bytes so far stay in `line`.
            read = reader.read_until(b'\n', &mut line) => {
                if read? == 0 {
                    return Ok(());
                }
                // This fails if no other client is there.
                let _ = lines.send((own, std::mem::take(&mut line)));
            }
            other = others.recv() => {
                let (from, line) = other.map_err(io::Error::other)?;
                if from != own {
                    writer.write_all(&line).await?;
                }
            }
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            len => stream.write_all(&bytes[..len]).await?,
        }
    }
}
