using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>
/// Engines that a test speaks for, without sockets: what was sent to whom, in order, and what each call is to give.
/// </summary>
internal sealed class ScriptedUpstream : IUpstream
{
    private readonly ConcurrentQueue<Call> _calls = new();

    /// <summary>Gives the answer of a call; by default all engines answer well at once.</summary>
    public Func<Call, CancellationToken, ValueTask<IUpstreamResponse>> Answer { get; set; } = (call, _) => new(Good(call));

    /// <summary>All calls, oldest first.</summary>
    public IReadOnlyList<Call> Calls => [.. _calls];

    public IEnumerable<Call> Aborts => Calls.Where(c => c.IsAbort);

    public static IUpstreamResponse Good(Call call) => call.IsAbort ? Reply(200, "") : Reply(200, """{"text":"ok"}""");

    public static IUpstreamResponse Reply(int status, string body, TimeSpan? retryAfter = null) =>
        new Whole(status, body, retryAfter);

    /// <summary>Never answers; ends when it is cut.</summary>
    public static async ValueTask<IUpstreamResponse> SilenceAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        throw new InvalidOperationException();
    }

    public ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        var bytes = new List<byte>();
        for (var i = 0; i < request.Body.SegmentCount; i++)
            bytes.AddRange(request.Body.Segment(i).Span);
        var body = JsonNode.Parse(Encoding.UTF8.GetString([.. bytes]))!;
        var call = new Call(request.Engine.Host, request.Path, (string?)body["rid"], (long?)body["bootstrap_room"] ?? 0);
        _calls.Enqueue(call);
        return Answer(call, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal sealed record Call(string Engine, string Path, string? Rid, long Room)
    {
        public bool IsAbort => Path == "/abort_request";

        public bool IsPrefill => Engine[0] == 'p';
    }

    private sealed class Whole(int status, string body, TimeSpan? retryAfter) : IUpstreamResponse
    {
        private ReadOnlyMemory<byte> _left = Encoding.UTF8.GetBytes(body);

        public int Status => status;

        public string? ContentType => "application/json";

        public long? ContentLength => _left.Length;

        public TimeSpan? RetryAfter => retryAfter;

        public bool IsComplete => _left.IsEmpty;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var read = Math.Min(buffer.Length, _left.Length);
            _left[..read].CopyTo(buffer);
            _left = _left[read..];
            return new(read);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
