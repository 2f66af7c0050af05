//! `make bench`: ours beside Debian's mosh and ssh, in one run on one machine, as a markdown table on standard
//! output. Progress and complaints go to standard error. A subject that cannot do something gets a dash.
//!
//! `bench [--quick] [--frugal|--cost|--attach|--carried] [SUBJECT…]` measures only what is named of `ssh`, `mosh`, `mpmosh`, `mpmosh-unmetered`,
//! `mpmosh-always`, `emulator`; with `--frugal` only what typing costs the network, and how it fares on thin and lossy ones;
//! with `--cost` only what a session costs the machines at its ends; with `--attach` only how one comes back to a session; with
//! `--carried` only what goes through ssh where UDP is blocked, of which `prompt`, `keys`, `flood`, `stream` and `change`
//! name parts.

#[cfg(target_os = "linux")]
mod carried;
#[cfg(target_os = "linux")]
mod emulator;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("the benchmark needs Linux's network namespaces");
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Write as _;
    use std::fs;
    use std::process::{Command, ExitCode};
    use std::time::Duration;

    use mpmosh_tests::lab::measure::{named, processor_time, quantile, resident};
    use mpmosh_tests::lab::scenario::attach;
    use mpmosh_tests::lab::scenario::cost::{self, Setting};
    use mpmosh_tests::lab::scenario::frugal::{self, Network};
    use mpmosh_tests::lab::scenario::{self, Event};
    use mpmosh_tests::lab::{Console, Key, LabError, Laptop, LaptopOptions, Namespace, Subject, clock};

    /// A figure of one subject; `None` where there is none.
    type Figure = Option<f64>;

    /// How thorough to be.
    struct Effort {
        connections: usize,
        keys: usize,
        idle: Duration,
    }

    /// A row of the table, with one figure per subject.
    struct Row {
        name: String,
        unit: &'static str,
        figures: Vec<Figure>,
    }

    pub(super) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if let [read, number, times] = &arguments[..]
            && read == "--read"
            && let (Ok(number), Ok(times)) = (number.parse(), times.parse())
        {
            super::emulator::counted(&coloured_log(), number, times);
            return ExitCode::SUCCESS;
        }
        let only_frugal = arguments.iter().any(|argument| argument == "--frugal");
        let only_cost = arguments.iter().any(|argument| argument == "--cost");
        let only_attach = arguments.iter().any(|argument| argument == "--attach");
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let effort = if quick {
            Effort { connections: 1, keys: 30, idle: Duration::from_secs(5) }
        } else {
            Effort { connections: 20, keys: 200, idle: Duration::from_secs(30) }
        };
        if arguments.iter().any(|argument| argument == "--carried") {
            let named = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-'));
            print!("{}", super::carried::table(quick, &named.collect::<Vec<_>>()));
            return ExitCode::SUCCESS;
        }
        let all = [
            Subject::ssh(),
            Subject::mosh(),
            Subject::mpmosh(),
            Subject { name: "mpmosh-unmetered", ..Subject::mpmosh().with_option("--metered=allow") },
            Subject { name: "mpmosh-always", ..Subject::mpmosh().with_option("--redundancy=always") },
        ];
        let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        let is_wanted = |named: &str| wanted.is_empty() || wanted.iter().any(|name| *name == named);
        let subjects: Vec<Subject> = all.into_iter().filter(|subject| is_wanted(subject.name)).collect();
        let mut rows: Vec<Row> = Vec::new();
        for (column, subject) in subjects.iter().enumerate() {
            let figures = match () {
                () if only_frugal => frugality(subject, &effort),
                () if only_cost => costs(subject, &effort),
                () if only_attach => attaching(subject, &effort),
                () => figures(subject, &effort),
            };
            for (name, unit, figure) in figures {
                let row = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
                    rows.push(Row { name, unit, figures: vec![None; subjects.len()] });
                    rows.len() - 1
                });
                rows[row].figures[column] = figure;
            }
        }
        print!("{}", table(&subjects, &rows));
        if is_wanted("emulator") && !only_frugal && !only_cost && !only_attach {
            println!("\n{}", super::emulator::table(&super::emulator::figures(&coloured_log())).trim_end());
        }
        ExitCode::SUCCESS
    }

    /// Everything about one subject; complaints go to standard error.
    fn figures(subject: &Subject, effort: &Effort) -> Vec<(String, &'static str, Figure)> {
        let mut figures = Vec::new();
        let mut note = |name: &str, unit, figure: Option<f64>| {
            eprintln!("{}: {name}: {}", subject.name, show(figure));
            figures.push((name.to_owned(), unit, figure));
        };
        let complain = |what: &str, error: &LabError| eprintln!("{}: {what}: {error}", subject.name);
        match calm(subject, effort) {
            Ok(calm) => calm.into_iter().for_each(|(name, unit, figure)| note(name, unit, figure)),
            Err(error) => complain("calm", &error),
        }
        match typing(subject, effort) {
            Ok(typing) => typing.into_iter().for_each(|(name, unit, figure)| note(name, unit, figure)),
            Err(error) => complain("typing", &error),
        }
        for event in Event::all() {
            // ssh's connection is bound to one address: nothing to see, and a minute to wait for it.
            if subject.name == "ssh" {
                break;
            }
            let outcome = match scenario::run(subject, &event) {
                Ok(outcome) => outcome,
                Err(error) => {
                    complain(event.name, &error);
                    continue;
                }
            };
            let answered = outcome.unanswered() == 0;
            let worst = answered.then(|| milliseconds(outcome.worst()));
            note(&format!("worst key, {}", event.name), "ms", worst);
            if event.healing.is_some() {
                let limit = outcome.calm() + Duration::from_millis(20);
                let settled = outcome.settled_within(limit).filter(|_| answered);
                note("back on the better path after healing", "ms", settled.map(milliseconds));
            }
        }
        let more = [attaching(subject, effort), frugality(subject, effort), costs(subject, effort)];
        for (name, unit, figure) in more.into_iter().flatten() {
            note(&name, unit, figure);
        }
        if subject.name == "mpmosh" {
            // A phone's uplink is taken for a metered one, which carries no copies of keys.
            let death =
                scenario::run(&subject.clone().with_option("--metered=allow"), &Event::silent_death());
            match death.map(|outcome| (outcome.unanswered() == 0).then(|| milliseconds(outcome.worst()))) {
                Ok(worst) => note("worst key, silent death, neither uplink metered", "ms", worst),
                Err(error) => complain("silent death, neither uplink metered", &error),
            }
        }
        figures
    }

    /// Coming back to a session whose client was killed, at 40 ms; beside ssh it is tmux's.
    fn attaching(subject: &Subject, effort: &Effort) -> Vec<(String, &'static str, Figure)> {
        let complain = |error: &LabError| eprintln!("{}: attaching: {error}", subject.name);
        let measured = Laptop::with_sshd(LaptopOptions::default()).and_then(|laptop| {
            let back = attach::come_back(&laptop, subject, effort.connections)?;
            Ok([back, attach::list(&laptop, subject, effort.connections)?])
        });
        let names = ["back in a session whose client was killed, median", "its sessions listed, median"];
        let times = measured.inspect_err(complain).unwrap_or_default();
        let median = |times: Option<Vec<Duration>>| times.map(|times| milliseconds(quantile(times, 0.5)));
        names.into_iter().zip(times).map(|(name, times)| (name.into(), "ms", median(times))).collect()
    }

    /// What typing costs, and how it fares on thin and lossy networks: ten keys a second, prediction off.
    fn frugality(subject: &Subject, effort: &Effort) -> Vec<(String, &'static str, Figure)> {
        let mut figures = Vec::new();
        for network in &Network::ALL {
            let fare = match frugal::fare(subject, network, effort.keys) {
                Ok(fare) => fare,
                Err(error) => {
                    eprintln!("{}: {}: {error}", subject.name, network.name);
                    continue;
                }
            };
            for (what, unit, figure) in [
                ("key to screen, median", "ms", fare.quantile(0.5).map(milliseconds)),
                ("key to screen, 95 %", "ms", fare.quantile(0.95).map(milliseconds)),
                ("key to screen, 99 %", "ms", fare.quantile(0.99).map(milliseconds)),
                ("datagrams", "/s", Some(fare.datagrams)),
                ("octets", "kB/s", Some(fare.octets / 1e3)),
            ] {
                figures.push((format!("{}: {what}", network.name), unit, figure));
            }
        }
        match frugal::flood(subject) {
            Ok(octets) => {
                figures.push(("`yes` for 4 s, then Ctrl-C".into(), "kB", Some(octets as f64 / 1e3)))
            }
            Err(error) => eprintln!("{}: flood: {error}", subject.name),
        }
        figures
    }

    /// What a session costs the machines at its two ends: ten keys a second, prediction off, then none.
    fn costs(subject: &Subject, effort: &Effort) -> Vec<(String, &'static str, Figure)> {
        let mut figures = Vec::new();
        for setting in &Setting::ALL {
            let dormant = effort.idle >= Duration::from_secs(30);
            let effort = cost::Effort { keys: effort.keys, idle: effort.idle, dormant };
            let cost = match cost::cost(subject, setting, &effort) {
                Ok(cost) => cost,
                Err(error) => {
                    eprintln!("{}: {}: {error}", subject.name, setting.name);
                    continue;
                }
            };
            let mut note = |what: String, unit, figure: Figure| {
                figures.push((format!("{}: {what}", setting.name), unit, figure));
            };
            for (end, taken) in ["client", "server"].into_iter().zip(cost.ends) {
                note(
                    format!("{end}'s processor time a key"),
                    "µs",
                    Some(taken.processor.as_secs_f64() * 1e6),
                );
                note(format!("{end}'s system calls a key"), "", taken.calls);
                note(format!("{end}'s turns a key"), "", taken.turns);
                note(format!("{end}'s wake-ups a key"), "", Some(taken.wake_ups));
                note(format!("{end}'s threads"), "", Some(taken.threads as f64));
                note(format!("{end}'s wake-ups, quiet"), "/s", Some(taken.quiet));
                note(format!("{end}'s wake-ups, dormant"), "/s", taken.dormant);
            }
            note("key to screen, median".into(), "ms", cost.latency.map(milliseconds));
        }
        figures
    }

    /// What is measured on a network that stays as it is: WiFi 40 ms, cellular 80 ms.
    fn calm(
        subject: &Subject,
        effort: &Effort,
    ) -> Result<Vec<(&'static str, &'static str, Figure)>, LabError> {
        let laptop = Laptop::with_sshd(LaptopOptions::default())?;
        let mut times = Vec::new();
        for _ in 0..effort.connections {
            let asking = with_agent(&laptop, subject)?;
            let (console, time) = scenario::connect(&laptop.lab, &laptop.client, &asking)?;
            times.push(time);
            drop(console);
            laptop.client.end_processes();
        }
        for process in named(&laptop.server, subject.server_process) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        // sshd itself may have been among them: a laboratory is cheap, take a fresh one.
        drop(laptop);
        let laptop = Laptop::with_sshd(LaptopOptions::default())?;
        let listener = named(&laptop.server, "sshd");
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, subject)?;
        let ends = |namespace: &Namespace, name: &str| {
            let processes = named(namespace, name).into_iter();
            processes.filter(|process| !listener.contains(process)).collect::<Vec<_>>()
        };
        let server = ends(&laptop.server, subject.server_process);
        let line = "The quick brown fox jumps over the lazy dog, and the dog sleeps on: 0123456789.\n";
        let plain = big_output(&laptop, &console, &server, &line.repeat(BIG / line.len()))?;
        let log = big_output(&laptop, &console, &server, &coloured_log())?;
        let rate = |time: Duration| (!time.is_zero()).then(|| BIG as f64 / 1e6 / time.as_secs_f64());
        scenario::echo_keys(&console)?;
        let keys =
            console.type_keys(effort.keys, Duration::from_millis(137), scenario::PATIENCE, |_| Ok(()))?;
        let latency = |part| {
            let complete = keys.iter().all(|key| key.shown.is_some());
            complete.then(|| milliseconds(quantile(keys.iter().filter_map(Key::latency), part)))
        };
        let (packets, octets) = idle(&laptop, effort.idle);
        let memory = |namespace: &Namespace, name: &str| {
            let processes = ends(namespace, name);
            let total: u64 = processes.into_iter().filter_map(resident).sum();
            (total > 0).then_some(total as f64 / 1_048_576.0)
        };
        Ok(vec![
            (FIRST_PROMPT, "ms", Some(milliseconds(quantile(times, 0.5)))),
            ("key to screen at 40 ms RTT, median", "ms", latency(0.5)),
            ("key to screen at 40 ms RTT, 90 %", "ms", latency(0.9)),
            ("idle packets, both directions, all paths", "/s", Some(packets)),
            ("idle octets with Ethernet, likewise", "B/s", Some(octets)),
            ("resident memory, client", "MiB", memory(&laptop.client, subject.client_process)),
            ("resident memory, server", "MiB", memory(&laptop.server, subject.server_process)),
            ("server processor time, cat of 20 MB", "ms", Some(milliseconds(plain))),
            ("server, coloured log of 20 MB, a processor second", "MB", rate(log)),
        ])
    }

    /// The subject where an agent holds the user's key, as it does on a laptop.
    fn with_agent(laptop: &Laptop, subject: &Subject) -> Result<Subject, LabError> {
        let socket = laptop.client.home().join("agent");
        let _ = fs::remove_file(&socket);
        for (program, arguments) in
            [("ssh-agent", vec!["-a".as_ref(), socket.as_os_str()]), ("ssh-add", vec![])]
        {
            let mut command = laptop.client.command(program);
            let output = command.env("SSH_AUTH_SOCK", &socket).args(arguments).output();
            let output = output.map_err(|error| LabError::new(format!("{program}: {error}")))?;
            if !output.status.success() {
                return Err(LabError::new(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))));
            }
        }
        let mut asking = subject.clone();
        asking.environment.push(("SSH_AUTH_SOCK", socket.display().to_string()));
        Ok(asking)
    }

    /// What a person meets who types at a shell 200 ms away, with keys shown as each program shows them by default.
    fn typing(
        subject: &Subject,
        effort: &Effort,
    ) -> Result<Vec<(&'static str, &'static str, Figure)>, LabError> {
        let each_way = Duration::from_millis(100);
        let laptop = Laptop::with_sshd(LaptopOptions { delays: [each_way; 2], ..LaptopOptions::default() })?;
        let predicting =
            Subject { environment: vec![("MOSH_PREDICTION_DISPLAY", "adaptive".into())], ..subject.clone() };
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &predicting)?;
        let keys = scenario::type_lines(&console)?;
        let late = keys.iter().filter(|shown| **shown >= each_way * 2 - FRAME).count();
        let floods = (0..effort.connections).map(|_| scenario::stop_flood(&console));
        let stopped = quantile(floods.collect::<Result<Vec<_>, _>>()?, 0.5);
        Ok(vec![
            (
                "keys shown a round trip late, lines without a pause at 200 ms RTT",
                "%",
                Some(late as f64 / keys.len() as f64 * 100.0),
            ),
            ("Ctrl-C under `yes` to the prompt at 200 ms RTT, median", "ms", Some(milliseconds(stopped))),
        ])
    }

    const FIRST_PROMPT: &str = "time to first prompt, median";

    /// What comes by so much less than a round trip has not made one.
    const FRAME: Duration = Duration::from_millis(10);

    /// Octets of a long output.
    const BIG: usize = 20_000_000;

    /// Processor time that the server's end takes for this text.
    fn big_output(
        laptop: &Laptop,
        console: &Console,
        server: &[rustix::process::Pid],
        text: &str,
    ) -> Result<Duration, LabError> {
        let path = laptop.lab.directory().join("big");
        fs::write(&path, text)
            .map_err(|error| LabError::new(format!("writing {}: {error}", path.display())))?;
        let used = || server.iter().filter_map(|process| processor_time(*process)).sum::<Duration>();
        let before = used();
        let command = format!("cat {}", path.display());
        scenario::finish_line(console, "Ψ", &command, "", Duration::from_secs(120))?;
        Ok(used().saturating_sub(before))
    }

    /// What a server writes into its log, for terminals.
    fn coloured_log() -> String {
        let mut log = String::with_capacity(BIG + 200);
        for line in 0u32.. {
            let (color, level) =
                [(32, "INFO"), (33, "WARN"), (31, "ERROR"), (36, "DEBUG")][line as usize % 4];
            let _ = writeln!(
                log,
                "\x1b[90m10:{:02}:{:02}.{:03}\x1b[0m \x1b[1;{color}m{level:5}\x1b[0m \x1b[34mserver::http\x1b[0m: \
                 request \x1b[1mGET\x1b[0m /items/{line} in \x1b[38;5;{}m{}ms\x1b[0m",
                line / 60 % 60,
                line % 60,
                line % 1000,
                line % 256,
                line % 91,
            );
            if log.len() >= BIG {
                return log;
            }
        }
        log
    }

    /// Packets and octets per second, over both paths and both directions, of a session that nobody uses.
    fn idle(laptop: &Laptop, duration: Duration) -> (f64, f64) {
        clock::sleep(Duration::from_secs(5));
        for uplink in &laptop.uplinks {
            uplink.link.record();
        }
        clock::sleep(duration);
        let packets: Vec<_> = laptop.uplinks.iter().flat_map(|uplink| uplink.link.recorded()).collect();
        let ours = packets.iter().filter(|packet| matches!(packet.protocol, 6 | 17));
        let (count, octets) =
            ours.fold((0, 0), |(count, octets), packet| (count + 1, octets + packet.length + 14));
        (f64::from(count) / duration.as_secs_f64(), octets as f64 / duration.as_secs_f64())
    }

    fn milliseconds(duration: Duration) -> f64 {
        duration.as_secs_f64() * 1e3
    }

    fn show(figure: Figure) -> String {
        figure.map_or("—".into(), |figure| {
            if figure < 10.0 { format!("{figure:.2}") } else { format!("{figure:.1}") }
        })
    }

    /// The report: which machine and day, then a row per figure, each of ours also as a ratio to mosh's.
    fn table(subjects: &[Subject], rows: &[Row]) -> String {
        let first_line = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().ok();
            let output = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
            String::from_utf8_lossy(&output).lines().next().unwrap_or("?").trim().to_owned()
        };
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("?");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut text = String::from("# Benchmarks\n\n");
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line("Measured by `make bench` in one run, in the laptop lab: two uplinks of 40 and 80 ms round trip, a real".into());
        line(
            "sshd, prediction off unless it says 200 ms. A dash: it never happened, or does not apply. Ratios are to \
             mosh.\n"
                .into(),
        );
        line(format!("- mpmosh {}", env!("CARGO_PKG_VERSION")));
        line(format!(
            "- {}, {processor} × {cores}, {}",
            first_line("date", &["-u", "+%F"]),
            first_line("uname", &["-sr"])
        ));
        line(format!("- {}; {}\n", first_line("mosh", &["--version"]), first_line("ssh", &["-V"])));
        let reference = subjects.iter().position(|subject| subject.name == "mosh");
        let mut heading = String::from("| |");
        let mut rule = String::from("|---|");
        for subject in subjects {
            let _ = write!(heading, " {} |", subject.name);
            rule.push_str("---:|");
        }
        line(heading);
        line(rule);
        for row in rows {
            let unit = if row.unit.is_empty() { String::new() } else { format!(" ({})", row.unit) };
            let mut cells = format!("| {}{unit} |", row.name);
            let mosh = reference.and_then(|column| row.figures[column]).filter(|figure| *figure >= 0.01);
            for (column, figure) in row.figures.iter().enumerate() {
                let ratio = match (figure, mosh) {
                    (Some(figure), Some(mosh)) if Some(column) != reference => {
                        format!(" (× {:.2})", figure / mosh)
                    }
                    _ => String::new(),
                };
                let _ = write!(cells, " {}{ratio} |", show(*figure));
            }
            line(cells);
        }
        if let Some((ours, limit)) = first_prompt(subjects, rows) {
            line(format!(
                "\nThe first prompt, with the key in an agent, may take what ssh takes, a round trip and 50 ms, {}: {} ({}).",
                show(Some(limit)),
                if ours <= limit { "it does not take more" } else { "IT TAKES MORE" },
                show(Some(ours)),
            ));
        }
        text
    }

    /// Our time to the first prompt, and the most that it may be, in ms.
    fn first_prompt(subjects: &[Subject], rows: &[Row]) -> Option<(f64, f64)> {
        let row = rows.iter().find(|row| row.name == FIRST_PROMPT)?;
        let of = |name| row.figures[subjects.iter().position(|subject| subject.name == name)?];
        Some((of("mpmosh")?, of("ssh")? + 40.0 + 50.0))
    }
}
