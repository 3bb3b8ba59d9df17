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
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? FirstSize) + 1);
        var length = 0;
        try
        {
            while (true)
            {
                var read = await request.Body.ReadAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    var body = new SharedBody(buffer, length);
                    buffer = null;
                    return body;
                }
                length += read;
                if (length > most)
                {
                    return null;
                }
                if (length == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(buffer.Length * 2L, Array.MaxLength));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
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
