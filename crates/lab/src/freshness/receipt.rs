//! Reading the receipt of an invalidation: what it promises.

use super::Told;
use peregrine_base::Instant;
use serde::Deserialize;
use serde_json::Value;

/// As much of a receipt as is judged.
#[derive(Deserialize)]
struct Receipt {
    #[serde(default)]
    journaled: bool,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    layer: String,
    confirmed: u64,
    of: u64,
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    state: String,
}

impl Told {
    /// What the receipt that the admin API of `node` gave promises when `nodes` nodes are read; the time is set by who
    /// measures it.
    ///
    /// # Errors
    /// When it is no receipt.
    pub fn by_receipt(receipt: Value, node: Option<usize>, nodes: usize) -> Result<Self, String> {
        let receipt: Receipt = serde_json::from_value(receipt).map_err(|error| format!("no receipt: {error}"))?;
        let confirmed = !receipt.journaled && receipt.layers.iter().all(|layer| layer.confirmed >= layer.of);
        let everywhere = receipt.layers.iter().any(|layer| {
            let all = layer.nodes.len() >= nodes && layer.nodes.iter().all(|node| node.state == "confirmed");
            layer.layer == "nodes" && all
        });
        let layers = receipt.layers.iter().map(|layer| {
            let Layer {
                layer, confirmed, of, ..
            } = layer;
            format!("{layer} {confirmed} of {of}")
        });
        let mut words = layers.collect::<Vec<_>>().join(", ");
        if receipt.journaled {
            words.push_str(", journaled");
        }
        Ok(Self {
            node,
            returned: Instant::ZERO,
            confirmed,
            everywhere: confirmed && everywhere,
            words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(receipt: Value) -> (bool, bool, String) {
        let told = Told::by_receipt(receipt, None, 2).unwrap();
        (told.confirmed, told.everywhere, told.words)
    }

    #[test]
    fn receipts_promise_what_they_say() {
        let memory = json!({"layer": "memory", "confirmed": 1, "of": 1, "took_ms": 0});
        let redis = |confirmed: u64| json!({"layer": "redis", "confirmed": confirmed, "of": 1, "took_ms": 1});
        let nodes = |states: [&str; 2]| {
            let nodes: Vec<Value> = states
                .iter()
                .map(|state| json!({"node": "n", "state": state}))
                .collect();
            json!({"layer": "nodes", "confirmed": 2, "of": 2, "took_ms": 3, "nodes": nodes})
        };
        let receipt = |layers: &[&Value]| json!({"id": "x", "matched": {}, "layers": layers});
        assert_eq!(told(receipt(&[&memory])), (true, false, "memory 1 of 1".to_owned()));
        let all = receipt(&[&memory, &redis(1), &nodes(["confirmed", "confirmed"])]);
        assert_eq!(
            told(all),
            (true, true, "memory 1 of 1, redis 1 of 1, nodes 2 of 2".to_owned())
        );
        let lapsed = receipt(&[&memory, &redis(1), &nodes(["confirmed", "lapsed"])]);
        assert!(matches!(told(lapsed), (true, false, _)));
        let away = json!({"id": "x", "matched": {}, "journaled": true, "layers": [memory, redis(0)]});
        assert_eq!(
            told(away),
            (false, false, "memory 1 of 1, redis 0 of 1, journaled".to_owned())
        );
        assert!(Told::by_receipt(json!({"error": 1}), None, 2).is_err());
    }
}
