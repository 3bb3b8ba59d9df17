using System.Buffers;
using OrleansPd.Core.Attempts;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Answers;

/// <summary>What a stream has shown so far, and the whole events that wait to be passed on.</summary>
internal sealed class StreamScan(int maxEvent) : IDisposable
{
    private readonly SseFramer _framer = new(maxEvent);
    private PooledBuffer? _output;
    private int _start;
    private int _length;

    /// <summary>Where events are gathered that cannot be passed on where they lie.</summary>
    public PooledBuffer Output => _output ??= new();

    /// <summary>Events that wait to be passed on.</summary>
    public int Events { get; set; }

    public bool HasOutput => _length > 0 || _output is { Length: > 0 };

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

    /// <summary>
    /// Takes an event as it came. Events that stand side by side in the chunk, which is nearly always all of them, are passed on
    /// from there; only what is cut by the chunk's edges is copied.
    /// </summary>
    public void Pass(ReadOnlySpan<byte> chunk, ReadOnlySpan<byte> raw)
    {
        if (_output is not { Length: > 0 } && chunk.Overlaps(raw, out var at) && (_length == 0 || at == _start + _length))
        {
            _start = _length == 0 ? at : _start;
            _length += raw.Length;
            return;
        }
        Output.Write(chunk.Slice(_start, _length));
        _length = 0;
        Output.Write(raw);
    }

    /// <summary>Whole events that wait to be passed on, in order.</summary>
    /// <param name="chunk">The chunk that was scanned last.</param>
    public ReadOnlyMemory<byte> Waiting(ReadOnlyMemory<byte> chunk) =>
        _length > 0 ? chunk.Slice(_start, _length) : _output?.Written ?? default;

    /// <summary>Moves what waits out of the chunk, which is about to be written over.</summary>
    public void Keep(ReadOnlySpan<byte> chunk)
    {
        if (_length > 0)
        {
            Output.Write(chunk.Slice(_start, _length));
            _length = 0;
        }
    }

    public void Flushed()
    {
        _length = 0;
        _output?.Clear();
        Events = 0;
    }

    public void Dispose()
    {
        _framer.Dispose();
        _output?.Dispose();
    }
}
