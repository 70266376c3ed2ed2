//! How much an installation may ask of GitHub, and in which order: verdicts first, looks next, progress last.
//!
//! GitHub holds an installation to 900 points in a minute (a question 1, a write 5), and asks for no more than 80
//! writes of content in a minute and 500 in an hour. Ours are a little lower: GitHub counts by its own clock.
//! Source: "Rate limits for the REST API", <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

/// What was asked is counted by slices of so many milliseconds.
pub const SLICE_MS: i64 = 10_000;

/// The longest of GitHub's windows: what was asked before it does not count any more.
pub const LONGEST_WINDOW_MS: i64 = HOUR_MS;

/// Points of a write.
pub const WRITE_POINTS: i64 = 5;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// What an installation was asked for within one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentSlice {
    /// Unix time, in slices.
    pub slice: i64,
    /// Points.
    pub points: i64,
    /// Writes of content.
    pub writes: i64,
}

/// What is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// A write that says how a run ended.
    Verdict,
    /// A write that says how far a run is. `unfinished`: how many checks have yet to say how they end.
    Progress {
        /// Of the same installation, this one included.
        unfinished: i64,
    },
    /// A question that a verdict waits for.
    Urgent,
    /// A question.
    Question,
}

#[derive(Clone, Copy)]
enum What {
    Points,
    Writes,
}

/// No more of something within a window.
type Bound = (What, i64, i64);

/// No faster than two in a second, and over longer one in a second.
const VERDICTS: [Bound; 3] = [
    (What::Writes, SLICE_MS, 20),
    (What::Writes, HOUR_MS, 480),
    (What::Points, MINUTE_MS, 850),
];

/// Half of the hour, and half of the minute: the rest is for verdicts.
const PROGRESS: [Bound; 2] = [(What::Writes, MINUTE_MS, 40), (What::Writes, HOUR_MS, 240)];

/// What they leave of the minute is enough for the writes of a minute, or nearly.
const QUESTIONS: [Bound; 1] = [(What::Points, MINUTE_MS, 550)];

/// A check has a status beside it.
const WRITES_TO_AN_END: i64 = 2;

impl Spending {
    /// What it costs, as of `now`.
    pub fn cost(self, now: i64) -> SpentSlice {
        let (points, writes) = match self {
            Self::Verdict | Self::Progress { .. } => (WRITE_POINTS, 1),
            Self::Urgent | Self::Question => (1, 0),
        };
        SpentSlice {
            slice: now.div_euclid(SLICE_MS),
            points,
            writes,
        }
    }

    /// When it may be asked for, in Unix milliseconds. `None`: now. `spent`: the slices of the last hour, in order.
    pub fn not_before(self, spent: &[SpentSlice], now: i64) -> Option<i64> {
        let until = |bounds: &[Bound], kept: i64| {
            let cost = self.cost(now);
            let free = bounds
                .iter()
                .filter_map(|bound| free_at(*bound, spent, cost, now));
            // What is kept back for verdicts to come is kept back of the hour.
            let kept = bounds
                .iter()
                .filter(|(_, window, _)| kept > 0 && *window == HOUR_MS)
                .filter_map(|(what, window, most)| free_at((*what, *window, most - kept), spent, cost, now));
            free.chain(kept).max()
        };
        match self {
            Self::Verdict => until(&VERDICTS, 0),
            Self::Progress { unfinished } => {
                until(&VERDICTS, 0).max(until(&PROGRESS, unfinished * WRITES_TO_AN_END))
            }
            // It is counted, and goes out in any case.
            Self::Urgent => None,
            Self::Question => until(&QUESTIONS, 0),
        }
    }
}

/// When a window has room for what is to be spent. `None`: it has room now.
fn free_at((what, window, most): Bound, spent: &[SpentSlice], cost: SpentSlice, now: i64) -> Option<i64> {
    let of = |slice: &SpentSlice| match what {
        What::Points => slice.points,
        What::Writes => slice.writes,
    };
    // A slice counts whole until its last moment has left the window.
    let leaves = |slice: &SpentSlice| (slice.slice + 1) * SLICE_MS + window;
    let within = || spent.iter().filter(|slice| leaves(slice) > now);
    let mut over = within().map(of).sum::<i64>() + of(&cost) - most;
    if over <= 0 {
        return None;
    }
    for slice in within() {
        over -= of(slice);
        if over <= 0 {
            return Some(leaves(slice));
        }
    }
    // Not even an empty window has: something else must change first.
    Some(now + MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks as often as it may, for so long, and says when each was granted.
    fn granted(spending: Spending, lasts: i64) -> Vec<i64> {
        let mut spent: Vec<SpentSlice> = Vec::new();
        let (mut now, mut times) = (0, Vec::new());
        while now < lasts {
            if let Some(at) = spending.not_before(&spent, now) {
                assert!(at > now, "it waits for what has passed");
                now = at;
                continue;
            }
            let cost = spending.cost(now);
            match spent.last_mut().filter(|last| last.slice == cost.slice) {
                Some(last) => {
                    last.points += cost.points;
                    last.writes += cost.writes;
                }
                None => spent.push(cost),
            }
            times.push(now);
        }
        times
    }

    /// The most that any window of this length saw.
    fn most_within(times: &[i64], window: i64) -> usize {
        let seen = |begin: &i64| {
            times
                .iter()
                .filter(|at| (*begin..begin + window).contains(at))
                .count()
        };
        times.iter().map(seen).max().unwrap_or(0)
    }

    #[test]
    fn verdicts_never_pass_githubs_limits_and_use_most_of_them() {
        let times = granted(Spending::Verdict, 3 * HOUR_MS);
        assert_eq!(most_within(&times, SLICE_MS), 20);
        assert_eq!(most_within(&times, MINUTE_MS), 60);
        assert_eq!(most_within(&times, HOUR_MS), 480);
        assert_eq!(times.len(), 1_440);
    }

    #[test]
    fn progress_leaves_half_for_verdicts() {
        let times = granted(Spending::Progress { unfinished: 1 }, HOUR_MS);
        assert_eq!(times.len(), 238);
        assert_eq!(most_within(&times, MINUTE_MS), 40);
        let spent: Vec<SpentSlice> = times.iter().map(|at| Spending::Verdict.cost(*at)).collect();
        assert_eq!(Spending::Verdict.not_before(&spent, HOUR_MS - 1), None);
    }

    #[test]
    fn nobody_is_told_of_progress_while_more_wait_for_their_end_than_can_be_told() {
        let crowd = Spending::Progress { unfinished: 120 };
        assert!(crowd.not_before(&[], 0).is_some());
        let few = Spending::Progress { unfinished: 119 };
        assert_eq!(few.not_before(&[], 0), None);
    }

    #[test]
    fn questions_leave_room_for_writes() {
        let times = granted(Spending::Question, 2 * MINUTE_MS);
        assert_eq!(most_within(&times, MINUTE_MS), 550);
        let spent = [SpentSlice {
            points: 550,
            ..Spending::Question.cost(0)
        }];
        assert_eq!(Spending::Verdict.not_before(&spent, 0), None);
        assert_eq!(Spending::Urgent.not_before(&spent, 0), None);
        assert_eq!(
            Spending::Question.not_before(&spent, 0),
            Some(SLICE_MS + MINUTE_MS)
        );
    }
}
