//! Scenarios: lists of steps that have a name, sizes for a few seconds on a laptop, and nothing of their own.

/// A list of steps, and what goes with it.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What it shows, for the help.
    pub(crate) about: &'static str,
    /// As they are given on the command line; `{n}` is the number of clients.
    pub(crate) steps: &'static str,
    /// How many clients, where nobody says.
    pub(crate) clients: u32,
    /// Whether each client has a channel of its own, and all share one otherwise.
    pub(crate) has_own_channels: bool,
}

impl Scenario {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Its steps, with so many clients.
    pub(crate) fn words(&self, clients: u32) -> Vec<String> {
        self.steps.replace("{n}", &clients.to_string()).split(' ').map(str::to_owned).collect()
    }
}

/// All there are.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "idle",
        about: "many connections, and nothing happens",
        steps: "join={n} idle=5",
        clients: 10_000,
        has_own_channels: false,
    },
    Scenario {
        name: "fanout",
        about: "each message goes to everybody: at a steady rate, then in a burst",
        steps: "join={n} send=30@10 send=30",
        clients: 5_000,
        has_own_channels: false,
    },
    Scenario {
        name: "unicast",
        about: "each message goes to one client, on its own channel: at random moments, then at full speed",
        steps: "join={n} send=1500~500 send=20000/16",
        clients: 5_000,
        has_own_channels: true,
    },
    Scenario {
        name: "churn",
        about: "a fifth of the clients go and come back, again and again, and miss nothing",
        steps: "join={n} leave=20 send=10@20 back leave=20 send=10@20 back leave=20 send=10@20 back",
        clients: 5_000,
        has_own_channels: false,
    },
    Scenario {
        name: "reload",
        about: "as many clients as there are leave one after the other, and each is back at once",
        steps: "join={n} reload={n}@1000",
        clients: 5_000,
        has_own_channels: false,
    },
    Scenario {
        name: "storm",
        about: "all are cut off, miss 20 messages, and come back at once",
        steps: "join={n} send=1 leave=100 send=20 back",
        clients: 5_000,
        has_own_channels: false,
    },
    Scenario {
        name: "slow",
        about: "10 % of the clients stop reading; the others must not notice, and nobody loses anything",
        steps: "join={n} send=20@10 pause=10 send=20@10 send=20 resume",
        clients: 5_000,
        has_own_channels: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    #[test]
    fn scenarios_are_steps() {
        for scenario in SCENARIOS {
            let words = scenario.words(scenario.clients);
            let steps: Vec<Step> = words.iter().map(|word| word.parse().unwrap()).collect();
            assert_eq!(steps[0], Step::Join(scenario.clients), "{}", scenario.name);
            assert!(scenario.name.parse::<Step>().is_err(), "{} is no step", scenario.name);
        }
    }
}
