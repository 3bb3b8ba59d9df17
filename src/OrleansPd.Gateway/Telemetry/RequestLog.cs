namespace OrleansPd.Gateway.Telemetry;

/// <summary>The last requests with all that was decided about them: for the person who asks why.</summary>
/// <param name="capacity">Requests kept, 1 to 1,000,000. Default 1024: some 2 MB.</param>
public sealed class RequestLog(int capacity = 1024)
{
    // No index by id: adding is what each request pays for, and asking is a person's.
    private readonly RequestRecord?[] _ring = new RequestRecord?[capacity];
    private long _next;

    public void Add(RequestRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        Volatile.Write(ref _ring[(Interlocked.Increment(ref _next) - 1) % _ring.Length], record);
    }

    /// <summary>The newest of that id; null when it is not among those kept.</summary>
    public RequestRecord? Find(string id) => Recent().FirstOrDefault(record => record.Id == id);

    /// <summary>Newest first.</summary>
    public IEnumerable<RequestRecord> Recent()
    {
        var next = Interlocked.Read(ref _next);
        for (var i = next - 1; i >= 0 && i >= next - _ring.Length; i--)
        {
            if (Volatile.Read(ref _ring[i % _ring.Length]) is { } record)
                yield return record;
        }
    }
}

/// <summary>One request of a client.</summary>
/// <param name="Id">The request id that the client sent or was given (<c>x-request-id</c>).</param>
/// <param name="Route">The path.</param>
/// <param name="EndedAt">Wall-clock time of its end.</param>
/// <param name="Calls">What it became: one, or one for each sample or prompt that was sent on its own.</param>
public sealed record RequestRecord(string Id, string Route, DateTimeOffset EndedAt, IReadOnlyList<DispatchReport> Calls);
