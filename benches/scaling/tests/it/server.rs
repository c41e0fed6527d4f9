//! What the server makes of requests as clients write them.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use bench_scaling::server::Served;
use flink_scaler::simulate::Load;

use super::served;

fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.url().trim_start_matches("http://")).unwrap()
}

/// All that is answered to these bytes until the server ends the connection.
fn answers(served: &Served, bytes: &str) -> String {
    let mut stream = connect(served);
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_get_may_have_a_body_and_the_connection_is_kept_until_the_client_ends_it() {
    let served = served("kept", Load::steps(&[(0.0, 10.0)]));
    let text = answers(
        &served,
        "GET /v1/overview HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\
         GET /v1/nothing HTTP/1.1\r\n\r\n\
         GET /v1/config HTTP/1.1\r\nconnection: Close\r\n\r\n\
         GET /v1/overview HTTP/1.1\r\n\r\n",
    );
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{text}");
    assert_eq!(served.requests(), 3);
}

#[test]
fn nonsense_ends_the_connection_and_not_the_server() {
    let served = served("nonsense", Load::steps(&[(0.0, 10.0)]));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    for bytes in [
        "hello\r\n",
        "GET / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        "GET / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
        "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        &long,
        &headers,
    ] {
        let mut stream = connect(&served);
        // The server may hang up before it has read all.
        let _ = stream.write_all(bytes.as_bytes());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        assert!(
            text.is_empty(),
            "{bytes:.40}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    let text = answers(
        &served,
        "GET /overview HTTP/1.1\r\nconnection: close\r\n\r\n",
    );
    assert!(text.contains("slots-total"), "{text}");
}
