using System.Buffers;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Dispatch;

namespace OrleansPd.Gateway.Http;

/// <summary>Reads a request's body once, as bytes, into pooled memory.</summary>
internal static class BodyReader
{
    private const int FirstSize = 16 * 1024;

    /// <returns>Null when the body is larger than allowed.</returns>
    public static async ValueTask<SharedBody?> ReadAsync(HttpRequest request, long most, CancellationToken cancellationToken)
    {
        if (request.ContentLength > most)
        {
            return null;
        }
        var reader = request.BodyReader;
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? FirstSize));
        var length = 0;
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                var part = read.Buffer;
                var needed = length + part.Length;
                if (needed > most)
                {
                    reader.AdvanceTo(part.End);
                    return null;
                }
                if (needed > buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(buffer.Length * 2L, needed), Array.MaxLength));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                part.CopyTo(buffer.AsSpan(length));
                length = (int)needed;
                reader.AdvanceTo(part.End);
                if (read.IsCompleted)
                {
                    var body = new SharedBody(buffer, length);
                    buffer = null;
                    return body;
                }
            }
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
