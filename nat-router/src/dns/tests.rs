//! The forwarder with a clock, clients and servers that the tests hold. Messages are built and read
//! by simple-dns.

mod caching;
mod clients;
mod hostile;
mod local_names;
mod servers;
mod streams;
mod world;
