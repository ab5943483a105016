//! `route` alone: a host fetches a text from a server through the router, all in memory.
//!
//! `route LAN WAN` as root, on Linux: routes between two TUN devices, which must exist and be up.
//! Its address inside is 192.168.77.1, its external address 198.51.100.77.

use core::error::Error;

use nat_core::{Cidr, Config, Nat, Seed, Tables};
use nat_smoltcp::{End, Router, wire};
use smoltcp::iface::{Config as StackConfig, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address};

const EXTERNAL: Ipv4Address = Ipv4Address::new(198, 51, 100, 77);
const SERVER: Ipv4Address = Ipv4Address::new(203, 0, 113, 5);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => demo(),
        #[cfg(target_os = "linux")]
        [lan, wan] => route(lan, wan),
        _ => Err("two TUN devices, or nothing for a demo in memory".into()),
    }
}

/// A router that forwards between two TUN devices until it is killed.
#[cfg(target_os = "linux")]
fn route(lan: &str, wan: &str) -> Result<(), Box<dyn Error>> {
    use core::time::Duration;

    use smoltcp::phy::{Medium, TunTapInterface};

    let mut tables = Tables::<512, 1024>::new();
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let nat = Nat::new(&mut tables, config()?, Seed::new(seed))?;
    let lan = TunTapInterface::new(lan, Medium::Ip)?;
    let wan = TunTapInterface::new(wan, Medium::Ip)?;
    let mut router = Router::new(nat, lan, wan);
    loop {
        router.poll(Instant::now());
        // A loop with more to do waits for both devices instead.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn config() -> Result<Config, Box<dyn Error>> {
    let inside: Cidr = "192.168.77.1/24".parse()?;
    let mut config = Config::new(inside);
    config
        .external_addresses
        .push(EXTERNAL)
        .map_err(|_| "too many addresses")?;
    Ok(config)
}

/// A stack on one end of a wire, with one TCP socket.
struct Machine {
    device: End,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Machine {
    fn new(mut device: End, address: Ipv4Address, now: Instant) -> Result<Self, Box<dyn Error>> {
        let config = StackConfig::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut device, now);
        let mut full = false;
        interface.update_ip_addrs(|addresses| {
            full = addresses
                .push(IpCidr::new(IpAddress::Ipv4(address), 24))
                .is_err();
        });
        if full {
            return Err("no room for an address".into());
        }
        // Bare IP: whatever the next hop is, it is at the other end of the wire.
        interface.routes_mut().add_default_ipv4_route(address)?;
        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Ok(Self {
            device,
            interface,
            sockets,
            socket,
        })
    }

    fn poll(&mut self, now: Instant) {
        self.interface
            .poll(now, &mut self.device, &mut self.sockets);
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }
}

fn demo() -> Result<(), Box<dyn Error>> {
    let ((host, lan), (wan, server)) = (wire(), wire());
    let mut tables = Tables::<16, 32, 4>::new();
    let nat = Nat::new(&mut tables, config()?, Seed::new([7; 16]))?;
    let mut router = Router::new(nat, lan, wan);

    let mut now = Instant::from_millis(0);
    let mut host = Machine::new(host, Ipv4Address::new(192, 168, 77, 10), now)?;
    let mut server = Machine::new(server, SERVER, now)?;
    server.socket().listen(80)?;
    let Machine {
        interface,
        sockets,
        socket,
        ..
    } = &mut host;
    let socket = sockets.get_mut::<tcp::Socket<'_>>(*socket);
    socket.connect(interface.context(), (SERVER, 80), 5000)?;

    let mut text = String::new();
    while now < Instant::from_secs(10) {
        host.poll(now);
        router.poll(now);
        server.poll(now);
        if server.socket().can_send() {
            let client = server.socket().remote_endpoint().ok_or("no client")?;
            let answer = format!("Hello, {client}");
            server.socket().send_slice(answer.as_bytes())?;
            server.socket().close();
        }
        if host.socket().can_recv() {
            text += &host
                .socket()
                .recv(|data| (data.len(), String::from_utf8_lossy(data).into_owned()))?;
        }
        if !host.socket().may_recv() && !text.is_empty() {
            break;
        }
        now += smoltcp::time::Duration::from_millis(1);
    }
    println!("the server said: {text}");
    for session in router.nat().sessions() {
        println!(
            "session: {} as {}, {:?}",
            session.inside, session.external, session.state
        );
    }
    if !text.starts_with(&format!("Hello, {EXTERNAL}:")) {
        return Err("the server saw another address than the external one".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    /// It fails if the host gets no text, or the server saw the inside address.
    #[test]
    fn a_host_fetches_a_text_through_the_router() {
        super::demo().expect("a text from the server");
    }
}
