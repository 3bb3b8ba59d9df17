namespace OrleansPd.Simulator;

/// <summary>Tasks that run in the background; completed ones leave.</summary>
internal sealed class TaskSet
{
    private readonly ConcurrentDictionary<Task, byte> _running = new();

    public void Add(Task task)
    {
        if (task.IsCompleted)
            return;
        _running.TryAdd(task, 0);
        _ = task.ContinueWith(
            static (done, state) => ((ConcurrentDictionary<Task, byte>)state!).TryRemove(done, out _),
            _running, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    public Task WhenAll() => Task.WhenAll(_running.Keys);
}
