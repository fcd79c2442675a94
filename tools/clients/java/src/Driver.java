import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.TasksApi;
import org.openapitools.client.model.TaskClaim;
import org.openapitools.client.model.TaskClaimBlockFor;
import org.openapitools.client.model.TaskFailure;
import org.openapitools.client.model.TaskFailureRetryIn;
import org.openapitools.client.model.TaskNewReport;
import org.openapitools.client.model.TaskNewTask;
import org.openapitools.client.model.TaskNewTaskProcessingTimeout;
import org.openapitools.client.model.TaskSuccess;
import org.openapitools.client.model.TaskTask;

/**
 * A producer and workers on a client that was generated from /openapi.json.
 *
 * <pre>
 * Driver produce URL QUEUE TIMEOUT           a task for each line: number, kind and text, tabs between
 * Driver work    URL QUEUE WORKERS           until it is killed
 * </pre>
 *
 * Like the original's, it ends with a status that is not 0 at any broken connection, and at any answer but
 * a success; only a claim that is answered 5xx is made again.
 */
public final class Driver {
    private final TasksApi tasks;
    private final String queue;
    private final Set<String> givenBack = ConcurrentHashMap.newKeySet();

    private Driver(String url, String queue) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        this.tasks = new TasksApi(client);
        this.queue = queue;
    }

    public static void main(String[] words) throws Exception {
        Driver driver = new Driver(words[1], words[2]);
        if (words[0].equals("produce")) {
            driver.produce(words[3]);
            return;
        }
        for (int number = 0; number < Integer.parseInt(words[3]); number++) {
            String worker = "java-worker-" + number;
            new Thread(() -> driver.work(worker)).start();
        }
    }

    private void produce(String timeout) throws Exception {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.split("\t");
            TaskNewTask task = new TaskNewTask()
                    .queue(queue)
                    .kind(parts[1])
                    .args(Map.of("number", Long.parseLong(parts[0]), "plain", parts[2]))
                    .processingTimeout(new TaskNewTaskProcessingTimeout(timeout));
            TaskTask created = tasks.createTask(task, null, null);
            TaskTask found = tasks.getExistingTask(queue, created.getId(), null, null);
            if (!found.getKind().equals(parts[1]) || found.getRunAt() == null) {
                throw new IllegalStateException("created " + created + ", found " + found);
            }
        }
    }

    private void work(String worker) {
        try {
            TaskClaim claim = new TaskClaim()
                    .queues(List.of(queue))
                    .amount(2)
                    .blockFor(new TaskClaimBlockFor("2s"));
            while (true) {
                for (TaskTask task : claimed(worker, claim)) {
                    work(worker, task);
                }
            }
        } catch (Exception error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private List<TaskTask> claimed(String worker, TaskClaim claim) throws ApiException {
        try {
            return tasks.claimTasks(worker, claim, null);
        } catch (ApiException error) {
            if (error.getCode() >= 500) {
                return List.of();
            }
            throw error;
        }
    }

    private void work(String worker, TaskTask task) throws Exception {
        Map<?, ?> args = (Map<?, ?>) task.getArgs();
        long number = ((Number) args.get("number")).longValue();
        String id = task.getId();
        if (number % 25 == 3 && givenBack.add(id)) {
            tasks.unclaimExistingTask(queue, id, worker, task.getClaimId(), null, null);
            return;
        }
        if (number % 20 == 7 && task.getAttempted() == 1) {
            TaskFailure failure = new TaskFailure()
                    .data(Map.of("error", "the first attempt fails"))
                    .retryIn(new TaskFailureRetryIn("1s"));
            tasks.markClaimedTaskFailed(queue, id, worker, failure, null, null);
            return;
        }
        TaskNewReport report = new TaskNewReport().data(Map.of("starting", id));
        tasks.reportOnClaimedTask(queue, id, worker, report, null, null);
        Thread.sleep(ThreadLocalRandom.current().nextInt(500));
        String ciphered = ciphered(task.getKind(), (String) args.get("plain"));
        TaskSuccess success = new TaskSuccess().data(Map.of("ciphered", ciphered));
        tasks.markClaimedTaskDone(queue, id, worker, success, null, null);
    }

    private static String ciphered(String kind, String plain) throws Exception {
        byte[] bytes = plain.getBytes(StandardCharsets.UTF_8);
        return switch (kind) {
            case "Rot1" -> rotated(plain, 1);
            case "Rot13" -> rotated(plain, 13);
            case "Base64" -> Base64.getEncoder().encodeToString(bytes);
            case "Md5" -> HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(bytes));
            default -> throw new IllegalArgumentException(kind);
        };
    }

    private static String rotated(String plain, int by) {
        StringBuilder rotated = new StringBuilder();
        for (char letter : plain.toCharArray()) {
            char first = Character.isUpperCase(letter) ? 'A' : 'a';
            int place = letter - first;
            rotated.append(place >= 0 && place < 26 ? (char) (first + (place + by) % 26) : letter);
        }
        return rotated.toString();
    }
}
