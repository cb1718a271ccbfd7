use super::*;

/// A teller, and the other ends of what it holds.
fn teller(heartbeat: Duration) -> (Teller, watch::Sender<u64>, watch::Sender<Stage>, mpsc::Receiver<Bytes>) {
    let (last, stage) = (watch::Sender::new(0), watch::Sender::new(Stage::Serving));
    let (out, told) = mpsc::channel(1);
    (Teller { epoch: 0xe, listener: Listener::of(&last), stage: stage.subscribe(), heartbeat, out }, last, stage, told)
}

/// A listener that is told what it is taken to know.
fn listening(since: Option<u64>) -> (watch::Sender<u64>, watch::Sender<Stage>, mpsc::Receiver<Bytes>) {
    let (teller, last, stage, told) = teller(Duration::MAX);
    lifecycle::spawn(teller.tell(|since, text| write!(text, "data: after {since:?}\n\n").unwrap(), since));
    (last, stage, told)
}

async fn next(told: &mut mpsc::Receiver<Bytes>) -> String {
    String::from_utf8(told.recv().await.unwrap_or_default().to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_told_carries_the_number_to_resume_from() {
    let (last, _stage, mut told) = listening(resumed(0xe, "e-7"));
    assert_eq!(next(&mut told).await, "retry: 2000\n\ndata: after Some(7)\nid: e-0\n\n");
    last.send_replace(9);
    assert_eq!(next(&mut told).await, "data: after Some(0)\nid: e-9\n\n");
    // Another process counted those, or nobody did.
    for id in ["f-7", "7", "", "e-", "e-x", "e--1"] {
        assert_eq!(resumed(0xe, id), None, "{id}");
    }
}

#[tokio::test]
async fn silence_is_broken_by_a_heartbeat() {
    let (teller, _last, _stage, mut told) = teller(Duration::from_millis(1));
    lifecycle::spawn(teller.tell(|_, _| (), None));
    assert_eq!(next(&mut told).await, "retry: 2000\n\n");
    for _ in 0..3 {
        assert_eq!(next(&mut told).await, "event: heartbeat\ndata: {}\n\n");
    }
}

#[tokio::test]
async fn one_that_does_not_read_has_nothing_queued_and_then_hears_the_present() {
    let (last, stage, mut told) = listening(None);
    for number in 1..=1_000 {
        last.send_replace(number);
        tokio::task::yield_now().await;
    }
    drop(last);
    let mut all = Vec::new();
    while let Some(text) = told.recv().await {
        all.push(String::from_utf8(text.to_vec()).unwrap());
    }
    assert!(all.len() <= 3, "{all:?}");
    assert!(all.last().unwrap().ends_with("id: e-1000\n\n"), "{all:?}");
    drop(stage);
}

#[tokio::test]
async fn a_drain_ends_it_whether_it_reads_or_not() {
    for reads in [true, false] {
        let (last, stage, mut told) = listening(None);
        if reads {
            next(&mut told).await;
        } else {
            // One text waits in the channel, another for a place in it.
            tokio::task::yield_now().await;
            last.send_replace(1);
            tokio::task::yield_now().await;
        }
        stage.send_replace(Stage::Draining);
        // Its end lets go of what it heard by.
        last.closed().await;
        while told.recv().await.is_some() {}
    }
}
