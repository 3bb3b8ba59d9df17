using OrleansPd.Core.Dispatch;
using OrleansPd.Engines.Sse;

namespace OrleansPd.Engines.Dispatch;

/// <summary>What a stream has shown so far, and the whole events that wait to be passed on.</summary>
internal sealed class StreamScan(int maxEvent) : IDisposable
{
    private readonly SseFramer _framer = new(maxEvent);

    /// <summary>Whole events, as they came.</summary>
    public PooledBuffer Output { get; } = new();

    /// <summary>Events in <see cref="Output"/>.</summary>
    public int Events { get; set; }

    /// <summary>The end marker was seen.</summary>
    public bool Done { get; private set; }

    /// <summary>An error event of the engine: passed on, then the stream goes on to its end.</summary>
    public LegEnd? Reported { get; set; }

    /// <summary>The stream cannot be passed on any further.</summary>
    public LegEnd? Fatal { get; set; }

    /// <summary>An event was longer than allowed.</summary>
    public bool IsTooLong { get; private set; }

    public bool Next(ref ReadOnlySpan<byte> chunk, out SseEvent e)
    {
        if (Done)
        {
            e = default;
            return false;
        }
        switch (_framer.Read(ref chunk, out e))
        {
            case SseReadResult.Event:
                Done = e.IsDone;
                return true;
            case SseReadResult.TooLong:
                IsTooLong = true;
                return false;
            default:
                return false;
        }
    }

    public void Flushed()
    {
        Output.Clear();
        Events = 0;
    }

    public void Dispose()
    {
        _framer.Dispose();
        Output.Dispose();
    }
}
