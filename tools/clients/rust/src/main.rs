//! A producer and workers on a client that was generated from /swagger/doc.json.
//!
//! ```text
//! driver produce URL QUEUE TIMEOUT      a task for each line: number, kind and text, tabs between
//! driver work    URL QUEUE WORKERS      until it is killed
//! ```
//!
//! Like the original's, it ends with a status that is not 0 at any broken connection, and at any answer but
//! a success; only a claim that is answered 5xx is made again.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use serde_json::json;
use tasques_client::apis::configuration::Configuration;
use tasques_client::apis::Error as ApiError;
use tasques_client::apis::tasks_api as tasks;
use tasques_client::models::{TaskClaim, TaskFailure, TaskNewReport, TaskNewTask, TaskSuccess, TaskTask};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut client = Configuration::new();
    client.base_path = words[1].clone();
    if words[0] == "produce" {
        return produce(&client, &words[2], &words[3]);
    }
    let given_back = Arc::new(Mutex::new(HashSet::new()));
    let workers: Vec<_> = (0..words[3].parse::<u32>()?)
        .map(|number| {
            let worker = Worker {
                client: client.clone(),
                queue: words[2].clone(),
                id: format!("rust-worker-{number}"),
                given_back: given_back.clone(),
            };
            thread::spawn(move || worker.work())
        })
        .collect();
    for worker in workers {
        let _ = worker.join();
    }
    Ok(())
}

fn produce(client: &Configuration, queue: &str, timeout: &str) -> Outcome {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let parts: Vec<&str> = line.split('\t').collect();
        let mut task = TaskNewTask::new(queue.to_owned(), parts[1].to_owned());
        task.args = Some(json!({"number": parts[0].parse::<i64>()?, "plain": parts[2]}));
        task.processing_timeout = Some(timeout.to_owned());
        let created = tasks::create_task(client, task, None)?;
        let found = tasks::get_existing_task(client, queue, &created.id, None)?;
        if found.kind != parts[1] || found.run_at.is_empty() {
            return Err(format!("created {created:?}, found {found:?}").into());
        }
    }
    Ok(())
}

struct Worker {
    client: Configuration,
    queue: String,
    id: String,
    given_back: Arc<Mutex<HashSet<String>>>,
}

impl Worker {
    fn work(&self) {
        let error = loop {
            if let Err(error) = self.work_once() {
                break error;
            }
        };
        eprintln!("{}: {error:?}", self.id);
        std::process::exit(1);
    }

    fn work_once(&self) -> Outcome {
        let mut claim = TaskClaim::new(vec![self.queue.clone()]);
        claim.amount = Some(2);
        claim.block_for = Some("2s".to_owned());
        let claimed = match tasks::claim_tasks(&self.client, &self.id, claim) {
            Err(ApiError::ResponseError(answer)) if answer.status.is_server_error() => vec![],
            other => other?,
        };
        for task in claimed {
            self.work_on(task)?;
        }
        Ok(())
    }

    fn work_on(&self, task: TaskTask) -> Outcome {
        let (client, queue, worker, id) = (&self.client, &self.queue, &self.id, &task.id);
        let args = task.args.ok_or("no args")?;
        let number = args["number"].as_i64().ok_or("no number")?;
        let plain = args["plain"].as_str().ok_or("no text")?;
        if number % 25 == 3 && self.given_back.lock().unwrap().insert(id.clone()) {
            tasks::unclaim_existing_task(client, queue, id, worker, task.claim_id.as_deref(), None)?;
            return Ok(());
        }
        if number % 20 == 7 && task.attempted == 1 {
            let mut failure = TaskFailure::new();
            failure.data = Some(json!({"error": "the first attempt fails"}));
            failure.retry_in = Some("1s".to_owned());
            tasks::mark_claimed_task_failed(client, queue, id, worker, failure, None)?;
            return Ok(());
        }
        let mut report = TaskNewReport::new();
        report.data = Some(HashMap::from([("starting".to_owned(), json!(id))]));
        tasks::report_on_claimed_task(client, queue, id, worker, report, None)?;
        thread::sleep(Duration::from_millis((number * 7919 % 500) as u64));
        let mut success = TaskSuccess::new();
        success.data = Some(json!({"ciphered": ciphered(&task.kind, plain)?}));
        tasks::mark_claimed_task_done(client, queue, id, worker, success, None)?;
        Ok(())
    }
}

fn ciphered(kind: &str, plain: &str) -> Result<String, String> {
    match kind {
        "Rot1" => Ok(rotated(plain, 1)),
        "Rot13" => Ok(rotated(plain, 13)),
        "Base64" => Ok(base64::engine::general_purpose::STANDARD.encode(plain)),
        "Md5" => Ok(format!("{:x}", md5::compute(plain))),
        _ => Err(format!("no cipher is called {kind}")),
    }
}

fn rotated(plain: &str, by: u8) -> String {
    let rotate = |letter: char| {
        let first = match letter {
            'A'..='Z' => b'A',
            'a'..='z' => b'a',
            _ => return letter,
        };
        (first + (letter as u8 - first + by) % 26) as char
    };
    plain.chars().map(rotate).collect()
}
