//! The engine and the naive model, side by side.

use arbitrary::Arbitrary;
use nat_core::{Filtering, Mapping, PortRange, Protocol};

use super::world;
use naive::Naive;
use operation::{Operation, Run, What};

#[path = "../../../nat-core/tests/nat/model/naive.rs"]
mod naive;
#[allow(dead_code, reason = "operations are not drawn at random here")]
#[path = "../../../nat-core/tests/nat/model/operation.rs"]
mod operation;

#[derive(Arbitrary, Debug)]
pub(super) struct Input {
    /// Whether external ports overlap, which takes the strictest filter.
    overlapping: bool,
    filter: u8,
    sessions_per_host: u8,
    ports: u8,
    steps: Vec<Step>,
}

/// An operation; numbers are taken modulo what there is to choose from.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Out {
        host: u8,
        port: u8,
        remote: u8,
        what: u8,
    },
    In {
        mapping: u8,
        remote: u8,
        what: u8,
    },
    Wait {
        seconds: u16,
    },
    Forward {
        tcp: bool,
        external_port: u8,
        host: u8,
        port: u8,
    },
    Unforward {
        index: u8,
    },
    Addresses {
        list: u8,
    },
    Clear,
}

const WHATS: [What; 9] = [
    What::Udp,
    What::Echo,
    What::Syn,
    What::SynAck,
    What::Ack,
    What::Fin,
    What::FarFin,
    What::Reset,
    What::FarReset,
];

impl Step {
    fn operation(self) -> Operation {
        let below = |number: u8, limit: usize| usize::from(number) % limit;
        let what = |number: u8| WHATS[below(number, WHATS.len())];
        match self {
            Self::Out {
                host,
                port,
                remote,
                what: number,
            } => Operation::Out {
                host: below(host, 4),
                port: 5000 + u16::from(port % 2),
                remote: below(remote, 3),
                what: what(number),
            },
            Self::In {
                mapping,
                remote,
                what: number,
            } => Operation::In {
                mapping: below(mapping, 8),
                remote: below(remote, 3),
                what: what(number),
            },
            Self::Wait { seconds } => Operation::Wait {
                seconds: seconds.into(),
            },
            Self::Forward {
                tcp,
                external_port,
                host,
                port,
            } => Operation::Forward {
                protocol: if tcp { Protocol::Tcp } else { Protocol::Udp },
                external_port: 29_999 + u16::from(external_port % 4),
                host: below(host, 4),
                port: 5000 + u16::from(port % 2),
            },
            Self::Unforward { index } => Operation::Unforward {
                index: below(index, 4),
            },
            Self::Addresses { list } => Operation::Addresses {
                list: below(list, 7),
            },
            Self::Clear => Operation::Clear,
        }
    }
}

pub(super) fn run(input: &Input) -> Vec<String> {
    let mut run = begin(input);
    for (number, step) in input.steps.iter().enumerate() {
        let operation = step.operation();
        if let Err(difference) = run.perform(&operation) {
            panic!("step {number}, {operation:?}: {difference}");
        }
    }
    vec![format!(
        "{} forwarded, {} refused",
        run.stats().forwarded,
        refused(&run)
    )]
}

fn refused(run: &Run) -> u64 {
    run.stats().dropped_total() + run.stats().rejected_total()
}

fn begin(input: &Input) -> Run {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let filters = [
        AddressAndPortDependent,
        AddressDependent,
        EndpointIndependent,
    ];
    let filtering = if input.overlapping {
        AddressAndPortDependent
    } else {
        filters[usize::from(input.filter) % 3]
    };
    let limit = [4, 6, u16::MAX][usize::from(input.sessions_per_host) % 3];
    let half_open = [u16::MAX, 1, 2][usize::from(input.sessions_per_host) / 3 % 3];
    let ports = 30_000..30_002 + u16::from(input.ports % 5);
    let world = world::World::sized::<{ Naive::MAPPINGS }, { Naive::SESSIONS }, { Naive::HOSTS }>(
        |config| {
            config.filtering = filtering;
            if input.overlapping {
                config.mapping = Mapping::AddressAndPortDependent;
            }
            config.limits.sessions_per_host = Some(limit);
            config.limits.half_open_per_host = Some(half_open);
            config.timeouts = nat_core::Timeouts::RFC;
            config.limits.icmp_error_burst = u16::MAX;
            config.limits.icmp_errors_per_second = u16::MAX;
            config.ports = PortRange::new(ports.start, ports.end - 1).expect("some ports");
        },
    );
    Run::new(
        world,
        Naive::new(input.overlapping, filtering, (limit, half_open), ports),
    )
}
