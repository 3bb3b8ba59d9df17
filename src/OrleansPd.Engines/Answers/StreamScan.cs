namespace OrleansPd.Engines.Answers;

/// <summary>The state of the scan of one stream, and the complete events that were not relayed yet.</summary>
internal sealed class StreamScan(int maxEvent) : IDisposable
{
    private readonly SseFramer _framer = new(maxEvent);
    private PooledBuffer? _output;
    private int _start;
    private int _length;

    /// <summary>Buffer for events that cannot be relayed in place.</summary>
    public PooledBuffer Output => _output ??= new();

    public int Events { get; set; }

    public bool HasOutput => _length > 0 || _output is { Length: > 0 };

    public bool Done { get; private set; }

    /// <summary>An error event of the engine: it is relayed, and the stream is read to its end.</summary>
    public LegEnd? Reported { get; set; }

    public LegEnd? Fatal { get; set; }
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
    /// Adds an event unchanged. Adjacent events in the chunk, nearly always all of them, are relayed in place; only an event
    /// across chunks is copied.
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

    /// <summary>Complete events that were not relayed yet, in order.</summary>
    /// <param name="chunk">The chunk that was scanned last.</param>
    public ReadOnlyMemory<byte> Waiting(ReadOnlyMemory<byte> chunk) =>
        _length > 0 ? chunk.Slice(_start, _length) : _output?.Written ?? default;

    /// <summary>Copies events that were not relayed yet out of the chunk before it is overwritten.</summary>
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
