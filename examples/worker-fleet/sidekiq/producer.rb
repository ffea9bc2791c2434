# Enqueues jobs. Every 10th fails, every 20th is slow, and never the same ones.

require_relative "jobs"

books = Redis.new(REDIS)
loop do
  pace = books.get("pace").to_f
  next sleep(0.2) if pace.zero?

  QUEUES.each do |queue, job|
    number = books.hincrby("ledger", "sidekiq/#{queue}/sent", 1)
    seconds = number % 20 == 7 ? 0.32 : 0.02
    Object.const_get(job).perform_async(queue, seconds, number % 10 == 3)
  end
  sleep 1 / pace
end
