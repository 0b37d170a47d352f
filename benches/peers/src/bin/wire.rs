//! What `benches/wire/run.py` measures proxies between: an authorization server in process, an upstream that answers
//! every request with the same few bytes, and tokens. Prints one line of JSON when all is there, and runs until its input
//! ends.

#![allow(clippy::disallowed_methods, reason = "what a bench fetches has no limits")]

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::Algorithm;
use tower_bearer::testing::AuthorizationServer;

#[path = "../../../harness/auth0.rs"]
mod auth0;
use auth0::AUDIENCE;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
const END: &[u8] = b"\r\n\r\n";

/// Answers each request without a body; nothing else is ever sent to it.
async fn answer(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        let read = socket.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let ends = buffer[..filled].windows(END.len()).enumerate().filter(|(_, bytes)| *bytes == END);
        let ends: Vec<_> = ends.map(|(at, _)| at + END.len()).collect();
        for _ in &ends {
            socket.write_all(ANSWER).await?;
        }
        let done = ends.last().copied().unwrap_or(0);
        buffer.copy_within(done..filled, 0);
        filled -= done;
        if filled == buffer.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// `wire FOLDER COUNT`: writes `keys.json`, `bad.txt`, `expired.txt`, and `tokens.txt` with so many tokens.
#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, folder, count] = &*arguments else { panic!("wire FOLDER COUNT") };
    let (folder, count): (&Path, usize) = (folder.as_ref(), count.parse().expect("a number"));
    let server = AuthorizationServer::builder().algorithms([Algorithm::RS256]).start().await?;
    let keys = reqwest::get(server.jwks_url()).await.and_then(reqwest::Response::error_for_status);
    let keys = keys.map_err(io::Error::other)?.bytes().await.map_err(io::Error::other)?;
    std::fs::write(folder.join("keys.json"), keys)?;
    // HAProxy compares one audience.
    let token = |n: usize| auth0::token(Algorithm::RS256, server.issuer(), n).claim("aud", AUDIENCE);
    let mint = |n: usize| server.mint(token(n));
    let tokens: String = (0..count).map(|n| mint(n) + "\n").collect();
    std::fs::write(folder.join("tokens.txt"), tokens)?;
    // A good token under a bad signature.
    let (good, other) = (mint(0), mint(1));
    let (start, signature) = (good.rsplit_once('.'), other.rsplit_once('.'));
    let (Some((start, _)), Some((_, signature))) = (start, signature) else { panic!("a token has dots") };
    std::fs::write(folder.join("bad.txt"), format!("{start}.{signature}\n"))?;

    std::fs::write(folder.join("expired.txt"), server.mint(token(0).issued_at(1_700_000_000)) + "\n")?;

    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let world = json!({
        "issuer": server.issuer(),
        "feed": server.feed_url(),
        "audience": AUDIENCE,
        "upstream": upstream.local_addr()?.to_string(),
    });
    println!("{world}");
    io::stdout().flush()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = upstream.accept().await {
            tokio::spawn(answer(socket));
        }
    });
    let wait = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    wait.await??;
    Ok(())
}
