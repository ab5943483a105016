//! Copies frames between two TAP devices: the speed that no router on TAP devices can exceed.
//!
//! `.ci/tap-speed` measures `nat-host router` against it.

fn main() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    anyhow::bail!("TAP devices are opened on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;

    use anyhow::{Context, Result};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::{Errno, read, write};
    use tun_rs::{DeviceBuilder, Layer, SyncDevice};

    /// The longest frame that the kernel can send.
    const MAX_FRAME: usize = 65_535 + 14;
    /// Frames copied one way before the other way has its turn.
    const BATCH: usize = 64;
    /// The queue length that `nat-host router` sets, so that both lose frames at the same load.
    const QUEUE_LEN: u32 = 10_000;

    pub(super) fn main() -> Result<()> {
        let mut names = env::args().skip(1);
        let (Some(first), Some(second), None) = (names.next(), names.next(), names.next()) else {
            anyhow::bail!("usage: tap_copier FIRST SECOND");
        };
        let (first, second) = (open(&first)?, open(&second)?);
        println!("ready");
        let mut buffer = vec![0; MAX_FRAME];
        loop {
            let copied = copy(&first, &second, &mut buffer)? + copy(&second, &first, &mut buffer)?;
            if copied == 0 {
                wait(&first, &second)?;
            }
        }
    }

    fn open(name: &str) -> Result<SyncDevice> {
        let device = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L2)
            .inherit_enable_state()
            .build_sync()
            .with_context(|| format!("cannot open the TAP device {name}"))?;
        device.set_nonblocking(true)?;
        device.set_tx_queue_len(QUEUE_LEN)?;
        Ok(device)
    }

    /// Copies up to a batch of frames, and returns how many.
    fn copy(from: &SyncDevice, to: &SyncDevice, buffer: &mut [u8]) -> Result<usize> {
        for copied in 0..BATCH {
            match read(from, &mut *buffer) {
                // A frame that the other device rejects is lost, as in a router.
                Ok(len) => drop(write(to, &buffer[..len])),
                Err(Errno::AGAIN) => return Ok(copied),
                Err(error) => return Err(error).context("cannot read a frame"),
            }
        }
        Ok(BATCH)
    }

    fn wait(first: &SyncDevice, second: &SyncDevice) -> Result<()> {
        let mut fds = [
            PollFd::new(first, PollFlags::IN),
            PollFd::new(second, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("cannot wait for frames"),
        }
    }
}
