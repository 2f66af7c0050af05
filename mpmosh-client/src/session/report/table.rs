//! Tables of paths in whatever room there is: columns go by their worth, whole, so that no number is ever cut.
//!
//! Contract: pure. What remains of the narrowest table is what cannot be missed, and of that only names are shortened.

use super::{PathReport, Role};

/// The columns of a table.
#[derive(Debug)]
pub struct Columns<const N: usize> {
    /// Their headings.
    pub headings: [&'static str; N],
    /// Those that hold numbers stand at the right.
    pub right: [bool; N],
    /// In which order they go, the least needed first; those that are not named stay.
    pub least_needed: &'static [usize],
    /// The column of names, which may be shortened when nothing else can go.
    pub names: usize,
}

/// A name is not made shorter than this.
const SHORTEST: usize = 4;
/// Between two columns.
const GAP: usize = 2;

impl<const N: usize> Columns<N> {
    /// The columns' widths for these rows in so much room (none: any), 0 for those that go; and whether all but the `spared`
    /// least needed are there.
    #[must_use]
    pub fn widths(&self, rows: &[[String; N]], room: Option<usize>, spared: usize) -> ([usize; N], bool) {
        let mut widths = self.headings.map(|heading| heading.chars().count().max(1));
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (column, width) in widths.iter_mut().enumerate() {
            // A column of words that nobody has is none; a mark's place is kept.
            let said = rows.iter().any(|row| !row[column].is_empty());
            if !said && !self.headings[column].is_empty() {
                *width = 0;
            }
        }
        let Some(room) = room else { return (widths, true) };
        let total = |widths: &[usize; N]| {
            widths
                .iter()
                .filter(|width| **width > 0)
                .map(|width| width + GAP)
                .sum::<usize>()
                .saturating_sub(GAP)
        };
        let mut gone = 0;
        for column in self.least_needed {
            if total(&widths) <= room {
                break;
            }
            widths[*column] = 0;
            gone += 1;
        }
        let excess = total(&widths).saturating_sub(room);
        if excess > 0 {
            widths[self.names] = widths[self.names].saturating_sub(excess).max(SHORTEST);
        }
        (widths, gone <= spared)
    }

    /// A line of the table.
    #[must_use]
    pub fn line(&self, cells: &[String; N], widths: &[usize; N]) -> String {
        let mut line = String::new();
        for (column, (cell, &width)) in
            cells.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0)
        {
            let cell = shortened(cell, width);
            line.push_str(&match self.right[column] {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            });
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The line above the table.
    #[must_use]
    pub fn heading(&self, widths: &[usize; N]) -> String {
        self.line(&self.headings.map(str::to_owned), widths)
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// How much of a path's addresses is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Both, and the server's port.
    Full,
    /// What tells the paths of one interface apart.
    Apart,
    /// The family where that is enough.
    Family,
}

/// What stands in the place of addresses where datagrams have none.
const THROUGH_SSH: &str = "where UDP is blocked";

/// The addresses of each path, as told.
#[must_use]
pub fn addresses(paths: &[PathReport], told: Addresses, arrow: &str) -> Vec<String> {
    let remote = |path: &PathReport| path.remote.ip().to_string();
    let local = |path: &PathReport| path.local.to_string();
    let family = |path: &PathReport| if path.remote.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned();
    let ways: &[&dyn Fn(&PathReport) -> String] = match told {
        Addresses::Full => &[],
        Addresses::Apart => &[&remote, &local],
        Addresses::Family => &[&family, &remote, &local],
    };
    let tells = |way: &&&dyn Fn(&PathReport) -> String| {
        paths.iter().enumerate().all(|(at, path)| {
            let same = |other: &&PathReport| other.interface == path.interface && way(other) == way(path);
            !paths[..at].iter().any(|other| same(&other))
        })
    };
    let way = ways.iter().find(tells);
    let both = |path: &PathReport| match told {
        _ if path.role == Role::Carrier => THROUGH_SSH.into(),
        Addresses::Full => format!("{} {arrow} {}", path.local, path.remote),
        Addresses::Apart | Addresses::Family => format!("{} {arrow} {}", path.local, path.remote.ip()),
    };
    let told = |path: &PathReport| match way.filter(|_| path.role != Role::Carrier) {
        Some(way) => way(path),
        None => both(path),
    };
    paths.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::PathState;
    use super::super::tests::path;
    use super::*;

    const COLUMNS: Columns<3> = Columns {
        headings: ["name", "count", "why"],
        right: [false, true, false],
        least_needed: &[2, 1],
        names: 0,
    };

    fn rows() -> Vec<[String; 3]> {
        vec![
            ["enx00e04c680001".into(), "100".into(), "reason".into()],
            ["lo".into(), "7".into(), String::new()],
        ]
    }

    fn lines(room: Option<usize>) -> Vec<String> {
        let (widths, _) = COLUMNS.widths(&rows(), room, 0);
        rows().iter().map(|row| COLUMNS.line(row, &widths)).collect()
    }

    #[test]
    fn columns_go_whole_and_names_are_shortened_last() {
        assert_eq!(lines(None)[0], "enx00e04c680001    100  reason");
        assert_eq!(lines(Some(30))[0], "enx00e04c680001    100  reason");
        assert_eq!(lines(Some(29)), ["enx00e04c680001    100", "lo                   7"]);
        assert_eq!(lines(Some(21)), ["enx00e04c680001", "lo"]);
        assert_eq!(lines(Some(10)), ["enx00e04c…", "lo"]);
    }

    #[test]
    fn paths_of_one_interface_are_told_apart_by_as_little_as_that_takes() {
        let v4 = path("eth0", PathState::Answering, 1);
        let v6 = PathReport { remote: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 60001).into(), ..v4.clone() };
        let other = PathReport { local: [192, 0, 2, 11].into(), ..v4.clone() };
        let told = |paths: &[PathReport], told| addresses(paths, told, ">");
        assert_eq!(told(&[v4.clone(), v6.clone()], Addresses::Family), ["IPv4", "IPv6"]);
        assert_eq!(told(&[v4.clone(), v6.clone()], Addresses::Apart), ["203.0.113.1", "2001:db8::1"]);
        assert_eq!(told(&[v4.clone(), other.clone()], Addresses::Family), ["192.0.2.10", "192.0.2.11"]);
        assert_eq!(
            told(&[v4.clone(), other, PathReport { local: v4.local, ..v6 }], Addresses::Apart)[0],
            "192.0.2.10 > 203.0.113.1"
        );
        assert_eq!(told(std::slice::from_ref(&v4), Addresses::Full), ["192.0.2.10 > 203.0.113.1:60001"]);
        let ssh = PathReport { role: Role::Carrier, ..path("ssh", PathState::Answering, 1) };
        for how in [Addresses::Full, Addresses::Family] {
            assert_eq!(told(std::slice::from_ref(&ssh), how), ["where UDP is blocked"]);
        }
    }
}
