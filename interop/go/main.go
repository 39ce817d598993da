// Everyday programs with streadway/amqp: main PROGRAM URL NAME. What they saw goes to standard output.
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/streadway/amqp"
)

const limit = 60 * time.Second

var programs = map[string]func(connection *amqp.Connection, channel *amqp.Channel, name string){
	"hello":        hello,
	"server-named": serverNamed,
	"notify-close": notifyClose,
	"confirm":      confirm,
	"returned":     returned,
	"work":         work,
}

func main() {
	connection, err := amqp.Dial(os.Args[2])
	must(err)
	channel, err := connection.Channel()
	must(err)
	programs[os.Args[1]](connection, channel, os.Args[3])
	must(connection.Close())
}

func hello(_ *amqp.Connection, channel *amqp.Channel, name string) {
	queue, err := channel.QueueDeclare(name, false, false, false, false, nil)
	must(err)
	messages, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
	must(err)
	publish(channel, "", queue.Name, "Hello World!")
	fmt.Println(string(next(messages).Body))
}

func serverNamed(_ *amqp.Connection, channel *amqp.Channel, name string) {
	must(channel.ExchangeDeclare(name, "fanout", false, true, false, false, nil))
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	must(channel.QueueBind(queue.Name, "", name, false, nil))
	messages, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	must(err)
	publish(channel, name, "ignored", "to all")
	message := next(messages)
	fmt.Println(queue.Name[:8], message.Exchange == name, message.RoutingKey, string(message.Body))
}

// A passive declaration of a missing queue closes the channel, and only the channel.
func notifyClose(connection *amqp.Connection, channel *amqp.Channel, name string) {
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	_, err := channel.QueueDeclarePassive(name, false, false, false, false, nil)
	notified := <-closed
	fmt.Println(notified.Code, notified.Server, notified.Recover, err.Error() == notified.Error())
	other, err := connection.Channel()
	must(err)
	_, err = other.QueueDeclare("", false, true, true, false, nil)
	must(err)
	fmt.Println("connection closed:", connection.IsClosed())
}

func confirm(_ *amqp.Connection, channel *amqp.Channel, name string) {
	_, err := channel.QueueDeclare(name, true, false, false, false, nil)
	must(err)
	must(channel.Confirm(false))
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 100))
	for number := 0; number < 100; number++ {
		publish(channel, "", name, fmt.Sprint(number))
	}
	for tag := uint64(1); tag <= 100; tag++ {
		select {
		case confirmation := <-confirms:
			if !confirmation.Ack || confirmation.DeliveryTag != tag {
				log.Fatalf("confirm %v where %d was due", confirmation, tag)
			}
		case <-time.After(limit):
			log.Fatalf("no confirm of %d", tag)
		}
	}
	queue, err := channel.QueueInspect(name)
	must(err)
	fmt.Println(queue.Messages)
}

func returned(_ *amqp.Connection, channel *amqp.Channel, name string) {
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	must(channel.Publish("", name, true, false, amqp.Publishing{Body: []byte("lost")}))
	select {
	case message := <-returns:
		fmt.Println(message.ReplyCode, message.ReplyText, string(message.Body))
	case <-time.After(limit):
		log.Fatal("the message did not come back")
	}
}

// One task at a time; the first is requeued once.
func work(_ *amqp.Connection, channel *amqp.Channel, name string) {
	_, err := channel.QueueDeclare(name, true, false, false, false, nil)
	must(err)
	must(channel.Qos(1, 0, false))
	for _, task := range []string{"a", "b"} {
		publish(channel, "", name, task)
	}
	messages, err := channel.Consume(name, "worker", false, false, false, false, nil)
	must(err)
	for handled := 0; handled < 3; handled++ {
		message := next(messages)
		fmt.Println(string(message.Body), message.Redelivered, message.ConsumerTag)
		if handled == 0 {
			must(message.Nack(false, true))
		} else {
			must(message.Ack(false))
		}
	}
	must(channel.Cancel("worker", false))
	purged, err := channel.QueuePurge(name, false)
	must(err)
	fmt.Println("purged", purged)
}

func publish(channel *amqp.Channel, exchange string, key string, body string) {
	must(channel.Publish(exchange, key, false, false, amqp.Publishing{
		ContentType:  "text/plain",
		DeliveryMode: amqp.Persistent,
		Headers:      amqp.Table{"sent-by": "go", "count": int32(1)},
		Body:         []byte(body),
	}))
}

func next(messages <-chan amqp.Delivery) amqp.Delivery {
	select {
	case message := <-messages:
		return message
	case <-time.After(limit):
		log.Fatal("no message came")
		panic("unreachable")
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
