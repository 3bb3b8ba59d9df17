namespace OrleansPd.Core.Admission;

/// <summary>The requests that wait, by model, and requests whose wait has ended but whose callers have no answer yet.</summary>
internal sealed class WaitQueues
{
    // Models without workers keep their lanes: their requests still wait for the workers to return.
    private readonly Dictionary<string, WaitLanes> _lanes = new(StringComparer.Ordinal);
    private readonly List<WaitingRequest> _ended = [];

    public int Count { get; private set; }

    /// <summary>When the next wait for workers to return is over; the end of time when there is none.</summary>
    public DateTimeOffset NextReturn { get; private set; } = DateTimeOffset.MaxValue;

    /// <summary>The lanes of a model; null while none of its requests has waited.</summary>
    public WaitLanes? Of(string model) => Count > 0 ? _lanes.GetValueOrDefault(model) : null;

    /// <summary>Whether a new request must wait behind another one.</summary>
    public bool IsBehind(string model, in PairRequest request) =>
        Of(model) is { } lanes && (lanes.Find(request)?.First is not null || lanes.Barrier() is not null);

    /// <summary>Counts that a request was served before earlier ones of its model.</summary>
    /// <param name="model">Its model.</param>
    /// <param name="served">Still in its lane; null = it did not wait.</param>
    public void Served(string model, WaitingRequest? served) => Of(model)?.Served(served);

    public void Join(string model, WaitingRequest waiting)
    {
        if (!_lanes.TryGetValue(model, out var lanes))
            _lanes.Add(model, lanes = new WaitLanes());
        lanes.Join(waiting);
        Count++;
        NextReturn = waiting.ReturnBy < NextReturn ? waiting.ReturnBy.Value : NextReturn;
    }

    /// <summary>Takes a request out without an outcome. False: it has its outcome already.</summary>
    public bool Leave(WaitingRequest waiting)
    {
        if (waiting.Queue is not { } queue)
            return false;
        queue.Leave(waiting);
        Count--;
        return true;
    }

    /// <summary>Ends a wait with an outcome, which the host fetches with <see cref="TakeEnded"/>.</summary>
    public void End(WaitingRequest waiting, PairGrant grant)
    {
        _ = Leave(waiting);
        waiting.Grant = grant;
        _ended.Add(waiting);
    }

    public void EndAll(PairGrant grant)
    {
        foreach (var waiting in All())
            End(waiting, grant);
    }

    /// <summary>The request waits no longer, and its caller has been answered.</summary>
    public void Answered(WaitingRequest waiting) => _ended.Remove(waiting);

    public void TakeEnded(List<WaitingRequest> into)
    {
        into.AddRange(_ended);
        _ended.Clear();
    }

    /// <summary>
    /// The requests whose wait for workers to return is over. From now on they wait for capacity, unless the caller ends them.
    /// </summary>
    public List<WaitingRequest> TakeReturnsOver(DateTimeOffset now)
    {
        NextReturn = DateTimeOffset.MaxValue;
        var over = new List<WaitingRequest>();
        foreach (var waiting in All())
        {
            if (waiting.ReturnBy > now)
            {
                NextReturn = waiting.ReturnBy < NextReturn ? waiting.ReturnBy.Value : NextReturn;
            }
            else if (waiting.ReturnBy is not null)
            {
                waiting.ReturnBy = null;
                over.Add(waiting);
            }
        }
        return over;
    }

    private WaitingRequest[] All()
    {
        return [.. _lanes.Values.SelectMany(lanes => lanes.All).SelectMany(InLane)];

        static IEnumerable<WaitingRequest> InLane(WaitQueue lane)
        {
            for (var waiting = lane.First; waiting is not null; waiting = waiting.Next)
                yield return waiting;
        }
    }
}
