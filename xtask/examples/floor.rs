//! The floor of `bench hit` and `bench scale`: an epoll loop that reads until a blank line and writes a prepared answer. Nothing can be had for less
//! from sockets and one system call a step.
//!
//! `floor PORT FILE` serves FILE's bytes, whatever is asked. `floor PORT FILE COPIES` holds them so many times and serves the copy that
//! the request names, `id=N`: what memory that no cache holds costs anybody.

use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().ok_or("which port?")?.parse()?;
    let body = std::fs::read(words.next().ok_or("which file?")?)?;
    let copies: usize = words.next().map_or(Ok(1), |copies| copies.parse())?;
    let bodies = vec![body; copies.max(1)];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", bodies[0].len()).into_bytes();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let mut open: Vec<Option<(TcpStream, Vec<u8>)>> = vec![None];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    let mut room = [0; 8_192];
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let place = usize::try_from(event.data.u64())?;
            if place == 0 {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    epoll::add(&poll, &stream, epoll::EventData::new_u64(open.len() as u64), epoll::EventFlags::IN)?;
                    open.push(Some((stream, Vec::new())));
                }
                continue;
            }
            let Some((stream, unread)) = &mut open[place] else { continue };
            let alive = match stream.read(&mut room) {
                Ok(0) => false,
                Ok(n) => {
                    unread.extend_from_slice(&room[..n]);
                    if unread.ends_with(b"\r\n\r\n") {
                        let body = &bodies[asked(unread) % bodies.len()];
                        unread.clear();
                        stream.write_vectored(&[IoSlice::new(&head), IoSlice::new(body)]).is_ok()
                    } else {
                        true
                    }
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            if !alive {
                open[place] = None;
            }
        }
    }
}

/// The number behind the first `id=`; zero where there is none.
fn asked(head: &[u8]) -> usize {
    let Some(at) = head.windows(3).position(|word| word == b"id=") else { return 0 };
    let digits = head[at + 3..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(usize::from(digit - b'0')))
}
