//! An encoder that leads (He 2019, algorithm 1), against a collapse of the posterior.

use burn::module::ParamId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    evaluation::Evaluation,
    updates::{Moved, Pace, Update, Updates},
};

/// At first the encoder leads: a decoder that learns faster than the posterior follows comes to ignore
/// the code. So the first update, the encoder's, moves alone, batch after batch, until the mean loss of
/// a window of steps is no longer below that of the window before, or for `most` steps; then the others
/// move once. A window is 15 % of `most`, and the paper's `most` is 100. When the mutual information
/// between example and code has stopped growing from one epoch to the next, all move together for the
/// rest of the training.
#[derive(Debug)]
pub struct EncoderLeads {
    /// Steps that the encoder takes alone at the most.
    most: u64,
    leader: Leader,
}

impl EncoderLeads {
    /// An optimizer for the encoder, which leads for up to `most` steps, and one for the rest.
    pub fn updates(encoder: Vec<ParamId>, most: u64) -> Updates {
        let first = Update::new("encoder", Moved::Only(encoder.clone()));
        let rest = Update::new("decoder", Moved::AllBut(encoder));
        Updates {
            parts: vec![first, rest],
            pace: Box::new(Self {
                most,
                leader: Leader::default(),
            }),
        }
    }
}

impl Pace for EncoderLeads {
    fn moves(&mut self, loss: f64, _signals: &[f64]) -> Vec<bool> {
        if self.leader.over {
            return vec![true; 2];
        }
        let decoder = self.leader.catches_up(loss, self.most);
        vec![!decoder, decoder]
    }

    fn after_epoch(&mut self, evaluation: &Evaluation) {
        let latent = evaluation.latent.as_ref();
        let information = latent.and_then(|latent| latent.mutual_information);
        // Without a figure it cannot be told whether the encoder still leads.
        match information {
            Some(information) => self.leader.learns(information),
            None => self.leader.over = true,
        }
    }

    fn memory(&self) -> Value {
        json!({ "leader": self.leader })
    }

    fn recall(&mut self, memory: &Value) -> serde_json::Result<()> {
        self.leader = Leader::deserialize(&memory["leader"])?;
        Ok(())
    }
}

/// What [`EncoderLeads`] remembers.
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
        let mut updates = EncoderLeads::updates(Vec::new(), 100);
        let mut moves = || updates.pace.moves(1.0, &[]);
        let first: Vec<_> = (0..30).map(|_| moves()).collect();
        assert!(first[..29].iter().all(|moves| *moves == [true, false]));
        assert_eq!(first[29], [false, true]);
        let over = json!({"leader": {"over": true, "information": 0.5, "steps": 0, "sum": 0.0, "last": null}});
        updates.pace.recall(&over).unwrap();
        assert_eq!(updates.pace.moves(1.0, &[]), [true, true]);
        assert_eq!(updates.pace.memory(), over);
    }
}
