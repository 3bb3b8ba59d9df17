namespace OrleansPd.Simulator.Ranks;

/// <summary>Request slots and KV tokens of a rank, granted in FIFO order: the head of the queue blocks the rest.</summary>
internal sealed class SlotMemory
{
    private readonly Lock _gate = new();
    private readonly RankStats _stats;
    private readonly int _capacity;
    private readonly int _reserve;
    private readonly Stack<int> _free;
    private readonly LinkedList<Waiter> _queue = new();

    public SlotMemory(RankStats stats, int slots, int capacity, int reserve)
    {
        _stats = stats;
        _capacity = capacity;
        _reserve = reserve;
        _free = new Stack<int>(Enumerable.Range(0, slots).Reverse());
        Slots = slots;
    }

    public int Slots { get; }

    public int Queued
    {
        get
        {
            lock (_gate)
                return _queue.Count;
        }
    }

    public async Task<int> ReserveAsync(int tokens, CancellationToken ct)
    {
        var waiter = new Waiter(tokens);
        lock (_gate)
        {
            _queue.AddLast(waiter);
            Grant();
        }
        await using var registration = ct.UnsafeRegister(
            static (state, token) =>
            {
                var (memory, gone) = ((SlotMemory, Waiter))state!;
                memory.Forget(gone, token);
            },
            (this, waiter));
        return await waiter.Granted.Task;
    }

    /// <summary>Gives back a slot and the tokens that were live in it.</summary>
    public void Release(int slot, int tokens)
    {
        lock (_gate)
        {
            _stats.Occupy(-1, -tokens);
            _free.Push(slot);
            Grant();
        }
    }

    private void Forget(Waiter waiter, CancellationToken ct)
    {
        lock (_gate)
        {
            if (_queue.Remove(waiter))
            {
                waiter.Granted.TrySetCanceled(ct);
                Grant();
            }
        }
    }

    private void Grant()
    {
        while (_queue.First?.Value is { } waiter && _free.Count > 0
            && (_stats.LiveKvTokens + waiter.Tokens + _reserve <= _capacity || _free.Count == Slots))
        {
            _queue.RemoveFirst();
            _stats.Occupy(1, waiter.Tokens);
            waiter.Granted.TrySetResult(_free.Pop());
        }
    }

    private sealed class Waiter(int tokens)
    {
        public int Tokens => tokens;

        public TaskCompletionSource<int> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
