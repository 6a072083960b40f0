//! The optimizers of a training step: which parameters each moves, and in which steps.

use burn::{
    module::{Module, ParamId, list_param_ids},
    tensor::backend::Backend,
};
use serde::{Deserialize, Serialize};

use crate::train::{Evaluation, Readings};

/// The optimizers of a training step.
#[derive(Debug, Clone)]
pub struct Updates {
    /// Each with the parameters it moves.
    pub parts: Vec<Update>,
    /// In which steps they move.
    pub pacing: Pacing,
}

/// An optimizer: which parameters it moves.
#[derive(Debug, Clone)]
pub struct Update {
    /// What it moves, in a word.
    pub name: &'static str,
    /// The parameters to move; `None` means all.
    pub parameters: Option<Vec<ParamId>>,
}

impl Updates {
    /// One optimizer for every parameter.
    pub fn joint() -> Self {
        let whole = Update {
            name: "model",
            parameters: None,
        };
        Self {
            parts: vec![whole],
            pacing: Pacing::Together,
        }
    }

    /// An optimizer for `encoder`, one for the rest of `model`; the first leads, see
    /// [`Pacing::EncoderLeads`].
    pub fn encoder_leads<B: Backend>(
        encoder: &impl Module<B>,
        model: &impl Module<B>,
        most: u64,
    ) -> Self {
        let encoder = Update::of("encoder", encoder);
        let rest = Update::without("decoder", model, &encoder);
        Self {
            parts: vec![encoder, rest],
            pacing: Pacing::EncoderLeads { most },
        }
    }
}

impl Update {
    /// An optimizer of the parameters of `part` only.
    pub fn of<B: Backend>(name: &'static str, part: &impl Module<B>) -> Self {
        Self {
            name,
            parameters: Some(list_param_ids(part)),
        }
    }

    /// An optimizer of the parameters of `model` that `other` does not move.
    pub fn without<B: Backend>(name: &'static str, model: &impl Module<B>, other: &Self) -> Self {
        let mut parameters = list_param_ids(model);
        parameters.retain(|id| {
            other
                .parameters
                .as_ref()
                .is_some_and(|ids| !ids.contains(id))
        });
        Self {
            name,
            parameters: Some(parameters),
        }
    }
}

/// In which steps the updates move.
#[derive(Debug, Clone, PartialEq)]
pub enum Pacing {
    /// All in every step.
    Together,
    /// Aggressive training of the encoder (He 2019, algorithm 1): a decoder that learns faster than
    /// the posterior follows comes to ignore the code. So the first update, the encoder's, moves
    /// alone, batch after batch, until the mean loss of a window of steps is no longer below that of
    /// the window before, or for `most` steps; then the others move once. A window is 15 % of `most`,
    /// and the paper's `most` is 100. When the mutual information between example and code has
    /// stopped growing from one epoch to the next, all move together for the rest of the training.
    EncoderLeads {
        /// Steps that the encoder takes alone at the most.
        most: u64,
    },
    /// Keeps an adversary and its opponent near an equilibrium, as the programs of Larsen 2016 do: the
    /// adversary rests while its loss on real or on fake examples is below `equilibrium - margin`, and
    /// the opponent while either is above `equilibrium + margin`; if both were to rest, both move.
    Equilibrium {
        /// Name of the update, and of the player that has the terms `real` and `fake`.
        adversary: &'static str,
        /// Name of the other update.
        opponent: &'static str,
        /// Loss in nats at which neither wins; `ln 2` if the adversary tells nothing apart.
        equilibrium: f64,
        /// Distance from the equilibrium at which one of the two rests.
        margin: f64,
    },
}

impl Pacing {
    /// Which of `parts` move in this step. A pure function of the values of the training so
    /// far, so that a resumed run decides as one without a break.
    pub(crate) fn moves(
        &self,
        parts: &[Update],
        readings: &Readings,
        pace: &mut Pace,
    ) -> Vec<bool> {
        match self {
            Self::Equilibrium {
                adversary,
                opponent,
                equilibrium,
                margin,
            } => {
                let loss = |of| {
                    readings
                        .get(&format!("{adversary}.{of}"))
                        .unwrap_or_default()
                };
                let (real, fake) = (loss("real"), loss("fake"));
                let adversary_rests = real.min(fake) < equilibrium - margin;
                let opponent_rests = real.max(fake) > equilibrium + margin;
                let both = adversary_rests && opponent_rests;
                let rests = |name| match name {
                    _ if both => false,
                    _ if name == *adversary => adversary_rests,
                    _ if name == *opponent => opponent_rests,
                    _ => false,
                };
                let moves = parts.iter().map(|part| !rests(part.name)).collect();
                for name in [adversary, opponent] {
                    pace.note(name, rests(name));
                }
                moves
            }
            Self::EncoderLeads { most } if !pace.leader.over => {
                let loss = readings.get("loss").unwrap_or_default();
                let decoder = pace.leader.catches_up(loss, *most);
                (0..parts.len())
                    .map(|part| (part != 0) == decoder)
                    .collect()
            }
            Self::Together | Self::EncoderLeads { .. } => vec![true; parts.len()],
        }
    }

    /// Takes note of an evaluation at the end of an epoch.
    pub(crate) fn after_epoch(&self, evaluation: &Evaluation, pace: &mut Pace) {
        match self {
            Self::Together | Self::Equilibrium { .. } => {}
            Self::EncoderLeads { .. } => {
                let information = evaluation
                    .latent
                    .as_ref()
                    .and_then(|l| l.mutual_information);
                pace.leader.learns(information.unwrap_or_default());
            }
        }
    }
}

/// What a [`Pacing`] remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    leader: Leader,
    /// For how many steps up to now each side of an equilibrium has rested, by name: so long the
    /// other has been losing.
    pub rests: Vec<(String, u64)>,
}

impl Pace {
    fn note(&mut self, name: &str, rests: bool) {
        let last = self.rests.iter().position(|(key, _)| key == name);
        let index = last.unwrap_or_else(|| {
            self.rests.push((name.to_owned(), 0));
            self.rests.len() - 1
        });
        let streak = &mut self.rests[index].1;
        *streak = if rests { *streak + 1 } else { 0 };
    }
}

/// What [`Pacing::EncoderLeads`] remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Leader {
    over: bool,
    /// Mutual information after the last epoch, in nats.
    information: Option<f64>,
    /// Steps of the encoder since the decoder moved.
    steps: u64,
    /// Sum of the losses of this window.
    sum: f64,
    /// Mean loss of the last window.
    last: Option<f64>,
}

impl Leader {
    /// Whether it is the decoder's turn.
    fn catches_up(&mut self, loss: f64, most: u64) -> bool {
        let window = (most * 15 / 100).max(1);
        self.steps += 1;
        self.sum += loss;
        if !self.steps.is_multiple_of(window) && self.steps < most {
            return false;
        }
        let mean = self.sum / window as f64;
        let caught_up = self.steps >= most || self.last.is_some_and(|last| mean >= last);
        if caught_up {
            (self.steps, self.last) = (0, None);
        } else {
            self.last = Some(mean);
        }
        self.sum = 0.0;
        caught_up
    }

    fn learns(&mut self, information: f64) {
        self.over |= self.information.is_some_and(|last| information < last);
        self.information = Some(information);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(losses: impl Iterator<Item = f64>) -> Vec<usize> {
        let mut leader = Leader::default();
        let turns = losses.map(|loss| leader.catches_up(loss, 100)).enumerate();
        turns
            .filter_map(|(step, turn)| turn.then_some(step + 1))
            .collect()
    }

    /// By hand: means of 15 steps 10, 9, 9.5: the third is not below the second, so it is the
    /// decoder's turn in step 45; then 8 and 8, in step 75.
    #[test]
    fn the_decoder_moves_when_the_loss_stands() {
        let windows = [10.0, 9.0, 9.5, 8.0, 8.0, 1.0];
        let losses = windows.into_iter().flat_map(|loss| [loss; 15]);
        assert_eq!(turns(losses), [45, 75]);
    }

    #[test]
    fn the_decoder_moves_after_100_steps_at_the_latest() {
        assert_eq!(turns((0..250).map(|step| -f64::from(step))), [100, 200]);
    }

    #[test]
    fn the_lead_ends_when_the_information_falls() {
        let mut leader = Leader::default();
        for (information, over) in [
            (0.1, false),
            (0.5, false),
            (0.5, false),
            (0.4, true),
            (3.0, true),
        ] {
            leader.learns(information);
            assert_eq!(leader.over, over, "{information}");
        }
    }

    #[test]
    fn one_part_moves_at_a_time_until_the_lead_is_over() {
        let mut pace = Pace::default();
        let readings = Readings {
            values: vec![("loss".into(), 1.0)],
            ..Readings::default()
        };
        let parts = ["encoder", "decoder"].map(|name| Update {
            name,
            parameters: None,
        });
        let pacing = Pacing::EncoderLeads { most: 100 };
        let moves = |pace: &mut Pace| pacing.moves(&parts, &readings, pace);
        let first: Vec<_> = (0..30).map(|_| moves(&mut pace)).collect();
        assert!(first[..29].iter().all(|moves| *moves == [true, false]));
        assert_eq!(first[29], [false, true]);
        pace.leader.over = true;
        assert_eq!(moves(&mut pace), [true, true]);
    }

    /// By hand, around 0.7 with a margin of 0.4: the adversary rests below 0.3, its opponent above 1.1.
    #[test]
    fn who_wins_rests() {
        let parts = ["encoder", "decoder", "critic"].map(|name| Update {
            name,
            parameters: None,
        });
        let pacing = Pacing::Equilibrium {
            adversary: "critic",
            opponent: "decoder",
            equilibrium: 0.7,
            margin: 0.4,
        };
        let mut pace = Pace::default();
        for (real, fake, decoder, critic) in [
            (0.7, 0.7, true, true),
            (0.2, 0.7, true, false),
            (0.7, 0.1, true, false),
            (0.7, 1.2, false, true),
            (1.3, 0.7, false, true),
            (0.2, 1.2, true, true),
            (0.2, 0.2, true, false),
        ] {
            let values = [("critic.real", real), ("critic.fake", fake)];
            let readings = Readings {
                values: values
                    .map(|(name, value)| (name.to_owned(), value))
                    .to_vec(),
                ..Readings::default()
            };
            let moves = pacing.moves(&parts, &readings, &mut pace);
            assert_eq!(moves, [true, decoder, critic], "{real} {fake}");
        }
        let streaks = [("critic".to_owned(), 1), ("decoder".to_owned(), 0)];
        assert_eq!(pace.rests, streaks);
    }
}
